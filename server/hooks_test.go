package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"deployer/state"
	"deployer/webhook"
)

func push(after string) string {
	return fmt.Sprintf(`{"ref":"refs/heads/main","before":%q,"after":%q,"commits":[],"sender":{"login":"ada"}}`, commitB, after)
}

// deliver sends a signed push of GitHub's, after change has had its way with it.
func (f *fixture) deliver(repository, body string, change func(*http.Request)) answer {
	f.t.Helper()
	req := f.request(open, http.MethodPost, "/hooks/"+repository, body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-GitHub-Delivery", "d-1")
	req.Header.Set("X-Hub-Signature-256", sign(hookSecret, []byte(body)))
	if change != nil {
		change(req)
	}
	return f.do(req)
}

func TestSignedPushBecomesARun(t *testing.T) {
	f := newFixture(t)
	a := f.deliver("infra", push(commitA), nil).expect(t, http.StatusAccepted)
	got := decodeAs[accepted](t, a)
	if len(got.Runs) != 1 || got.Runs[0].Stack != "registry" || got.Runs[0].Status != state.RunQueued {
		t.Fatalf("answered %s", a.body)
	}
	run, err := f.readRun(got.Runs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if run.Commit != commitA || run.Trigger.Actor != "ada" {
		t.Errorf("the run is %+v", run)
	}
	if a.body != fmt.Sprintf(`{"runs":[{"id":%q,"stack":"registry","status":"queued"}],"reviews":[]}`+"\n", run.ID) {
		t.Errorf("answered %s", a.body)
	}
}

func TestDeliveriesThatAreNotTaken(t *testing.T) {
	setHeader := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tc := range []struct {
		name       string
		repository string
		body       string
		change     func(*http.Request)
		status     int
	}{
		{"unsigned", "infra", push(commitA), func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, http.StatusUnauthorized},
		{"signed with another secret", "infra", push(commitA), setHeader("X-Hub-Signature-256", sign("guess", []byte(push(commitA)))), http.StatusUnauthorized},
		{"signed with no secret", "infra", push(commitA), setHeader("X-Hub-Signature-256", sign("", []byte(push(commitA)))), http.StatusUnauthorized},
		{"signature cut short", "infra", push(commitA), setHeader("X-Hub-Signature-256", "sha256=ab"), http.StatusUnauthorized},
		{"signed by another provider's header", "tools", push(commitA), nil, http.StatusUnauthorized},
		{"unknown repository", "other", push(commitA), nil, http.StatusNotFound},
		{"repository with a path in it", "..%2Finfra", push(commitA), nil, http.StatusNotFound},
		{"text", "infra", "hello", setHeader("Content-Type", "text/plain"), http.StatusUnsupportedMediaType},
		{"no JSON", "infra", "hello", nil, http.StatusBadRequest},
		{"nothing", "infra", "", nil, http.StatusBadRequest},
		{"JSON of another kind", "infra", `[1]`, nil, http.StatusBadRequest},
		{"no commit", "infra", `{"ref":"refs/heads/main"}`, nil, http.StatusBadRequest},
		{"too large, as announced", "infra", push(strings.Repeat("a", 4000)), nil, http.StatusRequestEntityTooLarge},
		{"too large, not announced", "infra", push(strings.Repeat("a", 4000)), func(r *http.Request) { r.ContentLength = -1 }, http.StatusRequestEntityTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, func(o *Options) { o.MaxBody = 2000 })
			f.deliver(tc.repository, tc.body, tc.change).expect(t, tc.status)
			if runs, _, err := f.findRuns(state.RunQuery{}); err != nil || len(runs) != 0 {
				t.Errorf("the delivery left %d runs (%v)", len(runs), err)
			}
		})
	}
}

func TestDeliveriesThatChangeNothingSayWhy(t *testing.T) {
	f := newFixture(t)
	f.deliver("infra", push(commitA), nil).expect(t, http.StatusAccepted)
	replayed := f.deliver("infra", push(commitA), nil).expect(t, http.StatusOK)
	if got := decodeAs[ignored](t, replayed); !strings.Contains(got.Ignored, "already taken") {
		t.Errorf("a delivery sent again is answered %s", replayed.body)
	}
	ping := f.deliver("infra", `{"zen":"…"}`, func(r *http.Request) { r.Header.Set("X-GitHub-Event", "ping") }).expect(t, http.StatusOK)
	if got := decodeAs[ignored](t, ping); !strings.Contains(got.Ignored, "ping") {
		t.Errorf("a ping is answered %s", ping.body)
	}
}

func TestPayloadCannotChooseWhereItGoes(t *testing.T) {
	f := newFixture(t)
	body := strings.Replace(push(commitA), "{",
		`{"repository":{"name":"tools","full_name":"evil/tools","clone_url":"https://evil.example/x.git","ssh_url":"git@evil.example:x"},`, 1)
	f.deliver("infra", body, nil).expect(t, http.StatusAccepted)
	err := f.Store.View(func(tx *state.Tx) error {
		if _, err := tx.Delivery("infra", "d-1"); err != nil {
			return fmt.Errorf("the route's repository did not get the delivery: %w", err)
		}
		runs, _, err := tx.Runs(state.RunQuery{})
		if err == nil && strings.Contains(fmt.Sprintf("%+v", runs[0]), "evil") {
			err = errors.New("the run knows of the payload's URL")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDeliveryThatCannotBeStoredIsToComeAgain(t *testing.T) {
	f := newFixture(t)
	f.intake.err = errors.New("no space left on /var/lib/deployer")
	a := f.deliver("infra", push(commitA), nil).expect(t, http.StatusServiceUnavailable)
	if strings.Contains(a.body, "/var/lib") {
		t.Errorf("the answer tells of the inside: %s", a.body)
	}
}

func TestSecretThatCannotBeReadIsNotTheSendersFault(t *testing.T) {
	f := newFixture(t)
	f.Reload(Access{Hooks: map[string]Hook{"infra": {
		Provider: hookOf(t, "github").Provider,
		Secrets:  func() ([][]byte, error) { return nil, errors.New("gone") },
	}}})
	f.deliver("infra", push(commitA), nil).expect(t, http.StatusServiceUnavailable)
}

// raw sends bytes over a connection of its own and returns the status line.
func (f *fixture) raw(text string, closeWrite bool) string {
	f.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		f.t.Fatal(err)
	}
	if closeWrite {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			f.t.Fatal(err)
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer, _ := io.ReadAll(conn)
	line, _, _ := strings.Cut(string(answer), "\r\n")
	return line
}

// A patientIntake takes longer than a body may.
type patientIntake struct {
	Intake
	time.Duration
}

func (in patientIntake) Accept(ctx context.Context, repository string, events []state.Event) (state.Receipt, error) {
	select {
	case <-ctx.Done():
		return state.Receipt{}, ctx.Err()
	case <-time.After(in.Duration):
		return in.Intake.Accept(ctx, repository, events)
	}
}

func TestTimeForTheBodyIsNotTimeForTheWork(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		o.BodyTimeout = 50 * time.Millisecond
		o.Intake = patientIntake{o.Intake, 4 * o.BodyTimeout}
	})
	f.deliver("infra", push(commitA), nil).expect(t, http.StatusAccepted)
}

const half = "POST /hooks/infra HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"ref\":"

func TestSlowDeliveryIsCutOff(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.BodyTimeout = 50 * time.Millisecond })
	if line := f.raw(half, false); !strings.Contains(line, "408") {
		t.Errorf("answered %q", line)
	}
}

func TestTruncatedDeliveryIsRefused(t *testing.T) {
	f := newFixture(t)
	if line := f.raw(half, true); !strings.Contains(line, "400") {
		t.Errorf("answered %q", line)
	}
}

type panicking struct{ webhook.Provider }

func (panicking) Parse(webhook.Request) ([]state.Event, error) {
	var short []byte
	return nil, fmt.Errorf("%d", short[7])
}

func TestParserThatPanicsRefusesTheDelivery(t *testing.T) {
	f := newFixture(t)
	hook := hookOf(t, "github")
	hook.Provider = panicking{hook.Provider}
	f.Reload(Access{Hooks: map[string]Hook{"infra": hook}})
	a := f.deliver("infra", push(commitA), nil).expect(t, http.StatusBadRequest)
	if strings.Contains(a.body, "index") {
		t.Errorf("the answer tells of the inside: %s", a.body)
	}
}

func TestOnlySoManyLargeDeliveriesAtOnce(t *testing.T) {
	f := newFixture(t)
	large := push(commitA) + strings.Repeat(" ", smallBody)
	for range largeBodies {
		f.large <- struct{}{}
	}
	f.deliver("infra", large, nil).expect(t, http.StatusServiceUnavailable)
	<-f.large
	f.deliver("infra", large, nil).expect(t, http.StatusAccepted)
	if len(f.large) != largeBodies-1 {
		t.Error("a slot was not given back")
	}
}

func TestReusedBuffersDoNotMixDeliveries(t *testing.T) {
	f := newFixture(t)
	const senders, each = 8, 20
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for i := range each {
				commit := fmt.Sprintf("%040x", 1+sender*each+i)
				a := f.deliver("infra", push(commit), func(r *http.Request) { r.Header.Set("X-GitHub-Delivery", commit) })
				if a.StatusCode != http.StatusAccepted {
					t.Errorf("answered %d %s", a.StatusCode, a.body)
				}
			}
		})
	}
	wg.Wait()
	runs, _, err := f.findRuns(state.RunQuery{Limit: 1000})
	if err != nil || len(runs) != senders*each {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for _, r := range runs {
		if r.Commit != r.Trigger.Delivery {
			t.Errorf("delivery %s became a run for %s", r.Trigger.Delivery, r.Commit)
		}
	}
}

func TestFormDeliveryIsReadFromItsPayload(t *testing.T) {
	f := newFixture(t)
	var form bytes.Buffer
	form.WriteString("payload=")
	form.WriteString(strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22").Replace(push(commitA)))
	f.deliver("infra", form.String(), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}).expect(t, http.StatusAccepted)
}
