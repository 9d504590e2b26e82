package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/state"
	"deployer/webhook"
)

const (
	hookSecret = "a webhook's secret"
	commitA    = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB    = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// tokens by role, as a person would hold them.
var secretOf = map[Role]string{
	RoleViewer:   "viewer-token",
	RoleDeployer: "deployer-token",
	RoleAdmin:    "admin-token",
}

// A fixture is a server on a port of its own with a real store.
type fixture struct {
	*Server
	t       *testing.T
	url     string
	client  *http.Client
	control *fakeControl
	intake  *storeIntake
}

func newFixture(t *testing.T, change ...func(*Options)) *fixture {
	t.Helper()
	store, err := state.Open(filepath.Join(t.TempDir(), "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	f := &fixture{t: t, control: &fakeControl{store: store}, intake: &storeIntake{store: store}}
	o := Options{
		Store: store, Intake: f.intake, Control: f.control, Stacks: fakeStacks{"registry", "website"},
		Access:  Access{Hooks: map[string]Hook{"infra": hookOf(t, "github"), "tools": hookOf(t, "generic")}},
		Version: "1.2.3",
	}
	for _, role := range ranks {
		o.Access.Tokens = append(o.Access.Tokens, tokenOf(role))
	}
	for _, c := range change {
		c(&o)
	}
	if f.Server, err = New(o); err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(f.Handler())
	t.Cleanup(ts.Close)
	f.url = ts.URL
	f.client = &http.Client{
		Transport:     conforming(t, http.DefaultTransport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return f
}

func tokenOf(role Role) Token {
	return Token{Name: "the-" + string(role), Role: role, SHA256: sha256.Sum256([]byte(secretOf[role]))}
}

func hookOf(t testing.TB, provider string) Hook {
	t.Helper()
	p, ok := webhook.Lookup(provider)
	if !ok {
		t.Fatalf("there is no provider %s", provider)
	}
	return Hook{Provider: p, Secrets: func() ([][]byte, error) { return [][]byte{[]byte(hookSecret)}, nil }}
}

// An answer is a response whose body was read.
type answer struct {
	*http.Response
	body string
}

func (f *fixture) do(req *http.Request) answer {
	f.t.Helper()
	resp, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{resp, string(body)}
}

// call asks the API with the token of a role; open sends none.
func (f *fixture) call(role Role, method, path, body string) answer {
	f.t.Helper()
	return f.do(f.request(role, method, path, body))
}

func (f *fixture) request(role Role, method, path, body string) *http.Request {
	f.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, r)
	if err != nil {
		f.t.Fatal(err)
	}
	if role != open {
		req.Header.Set("Authorization", "Bearer "+secretOf[role])
	}
	return req
}

func (a answer) expect(t *testing.T, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("answered %d %s, expected %d", a.StatusCode, a.body, status)
	}
	return a
}

func decodeAs[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

func (a answer) problem(t *testing.T) problem {
	t.Helper()
	return decodeAs[problem](t, a)
}

func (f *fixture) update(fn func(*state.Tx) error) {
	f.t.Helper()
	if err := f.Store.Update(fn); err != nil {
		f.t.Fatal(err)
	}
}

// putRun stores a run with a status and returns it.
func (f *fixture) putRun(stack string, status state.RunStatus, change ...func(*state.Run)) *state.Run {
	f.t.Helper()
	r := newRun(stack, state.Trigger{Kind: state.TriggerWebhook})
	r.Status = status
	for _, c := range change {
		c(r)
	}
	f.update(func(tx *state.Tx) error { return tx.PutRun(r) })
	return r
}

func newRun(stack string, by state.Trigger) *state.Run {
	return &state.Run{ID: state.NewRunID(), Stack: stack, Kind: state.KindDeploy, Trigger: by,
		Status: state.RunQueued, CreatedAt: time.Now().UTC()}
}

// sign returns what GitHub and the generic provider put into their headers.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// A storeIntake queues one run for each push, once per delivery.
type storeIntake struct {
	store *state.Store
	err   error
}

func (in *storeIntake) Accept(_ context.Context, repository string, events []state.Event) (state.Receipt, error) {
	if in.err != nil {
		return state.Receipt{}, in.err
	}
	var receipt state.Receipt
	err := in.store.Update(func(tx *state.Tx) error {
		receipt = state.Receipt{}
		for _, e := range events {
			if err := in.accept(tx, repository, e, &receipt); err != nil {
				return err
			}
		}
		return nil
	})
	return receipt, err
}

func (in *storeIntake) accept(tx *state.Tx, repository string, e state.Event, receipt *state.Receipt) error {
	if e.Kind != state.EventPush {
		receipt.Ignored = e.Ignored
		return nil
	}
	if _, err := tx.Delivery(repository, e.Delivery); !errors.Is(err, state.ErrNotFound) {
		receipt.Ignored = "this delivery was already taken"
		return err
	}
	r := newRun("registry", state.Trigger{Kind: state.TriggerWebhook, Actor: e.Actor, Delivery: e.Delivery})
	r.Commit, r.Subject = e.After, e.Subject
	receipt.Runs = append(receipt.Runs, r)
	if err := tx.PutRun(r); err != nil {
		return err
	}
	return tx.PutDelivery(repository, e.Delivery, &state.Delivery{At: e.ReceivedAt, Runs: []string{r.ID}})
}

type fakeStacks []string

func (s fakeStacks) Names() []string                       { return s }
func (s fakeStacks) Health(context.Context, string) string { return "healthy" }
func (s fakeStacks) Holder(string) string                  { return "" }
func (s fakeStacks) Environment(string) string             { return "production" }
func (s fakeStacks) Readings(stack string) []state.Reading {
	return []state.Reading{{
		Check: "disk of " + stack, Status: state.StepFailed, Message: "1GiB free", Hint: "make room", Since: time.Unix(1700000000, 0).UTC(),
		At: time.Unix(1700000100, 0).UTC(), Took: 3 * time.Millisecond, Measured: &state.Measure{Name: "free_bytes", Value: 1 << 30},
	}}
}

// A fakeControl notes what it was asked for, keeps locks and runs in the
// store, and fails with err where that is set.
type fakeControl struct {
	store *state.Store
	err   error
	asked string
}

func (fc *fakeControl) note(format string, args ...any) error {
	fc.asked = fmt.Sprintf(format, args...)
	return fc.err
}

func (fc *fakeControl) newRun(stack string, kind state.RunKind, by state.Trigger, want state.RunTarget) (*state.Run, error) {
	r := newRun(stack, by)
	r.Kind, r.Want = kind, want
	return r, fc.store.Update(func(tx *state.Tx) error { return tx.PutRun(r) })
}

func (fc *fakeControl) Deploy(_ context.Context, stack string, by state.Trigger, want state.RunTarget) (*state.Run, error) {
	if err := fc.note("deploy %s %+v %+v", stack, by, want); err != nil {
		return nil, err
	}
	return fc.newRun(stack, state.KindDeploy, by, want)
}

func (fc *fakeControl) Rollback(_ context.Context, stack string, by state.Trigger, want state.RunTarget) (*state.Run, error) {
	if err := fc.note("rollback %s %+v %+v", stack, by, want); err != nil {
		return nil, err
	}
	return fc.newRun(stack, state.KindRollback, by, want)
}

func (fc *fakeControl) Plan(_ context.Context, stack, commit string) (*state.Changes, error) {
	if err := fc.note("plan %s %s", stack, commit); err != nil {
		return nil, err
	}
	return &state.Changes{}, nil
}

func (fc *fakeControl) Lock(_ context.Context, stack string, by state.Trigger) error {
	if err := fc.note("lock %s %+v", stack, by); err != nil {
		return err
	}
	return fc.store.Update(func(tx *state.Tx) error {
		return tx.ChangeStack(stack, func(s *state.Stack) {
			s.Lock = &state.Lock{Reason: by.Reason, By: by.Actor, At: time.Now().UTC()}
		})
	})
}

func (fc *fakeControl) Unlock(_ context.Context, stack string, by state.Trigger) error {
	return fc.note("unlock %s %+v", stack, by)
}

func (fc *fakeControl) Unpin(_ context.Context, stack string, by state.Trigger) error {
	return fc.note("unpin %s %+v", stack, by)
}

func (fc *fakeControl) Release(_ context.Context, stack, release string, by state.Trigger) error {
	return fc.note("release %s %s %+v", stack, release, by)
}

func (fc *fakeControl) Cancel(_ context.Context, run string, by state.Trigger) error {
	return fc.note("cancel %s %+v", run, by)
}

func (fc *fakeControl) Approve(_ context.Context, run string, by state.Trigger) error {
	return fc.note("approve %s %+v", run, by)
}

func (fc *fakeControl) Reject(_ context.Context, run string, by state.Trigger) error {
	return fc.note("reject %s %+v", run, by)
}

func (fc *fakeControl) Retry(_ context.Context, run string, by state.Trigger) (*state.Run, error) {
	if err := fc.note("retry %s %+v", run, by); err != nil {
		return nil, err
	}
	return fc.newRun("registry", state.KindDeploy, by, state.RunTarget{})
}

func (fc *fakeControl) Backup(_ context.Context, stack string, by state.Trigger) (*state.Run, error) {
	if err := fc.note("backup %s %+v", stack, by); err != nil {
		return nil, err
	}
	return fc.newRun(stack, state.KindBackup, by, state.RunTarget{})
}

func (fc *fakeControl) Restore(_ context.Context, id string, by state.Trigger) (*state.Run, error) {
	if err := fc.note("restore %s %+v", id, by); err != nil {
		return nil, err
	}
	err := fc.store.View(func(tx *state.Tx) error { _, err := tx.Backup(id); return err })
	if err != nil {
		return nil, err
	}
	return fc.newRun("registry", state.KindRestore, by, state.RunTarget{Backup: id})
}

func (fc *fakeControl) Backups(_ context.Context, stack string) (list []*state.Backup, err error) {
	err = fc.store.View(func(tx *state.Tx) (err error) {
		list, err = tx.Backups(stack)
		return err
	})
	return list, err
}

func (fc *fakeControl) Adopt(_ context.Context, stack string, by state.Trigger) (*state.Run, error) {
	if err := fc.note("adopt %s %+v", stack, by); err != nil {
		return nil, err
	}
	return fc.newRun(stack, state.KindAdopt, by, state.RunTarget{})
}

func (fc *fakeControl) Restart(_ context.Context, stack, service string, by state.Trigger) (*state.Run, error) {
	if err := fc.note("restart %s %q %+v", stack, service, by); err != nil {
		return nil, err
	}
	return fc.newRun(stack, state.KindRestart, by, state.RunTarget{Service: service})
}

func (fc *fakeControl) Remove(_ context.Context, stack string, by state.Trigger) (*state.Run, error) {
	if err := fc.note("remove %s %+v", stack, by); err != nil {
		return nil, err
	}
	return fc.newRun(stack, state.KindRemove, by, state.RunTarget{})
}
