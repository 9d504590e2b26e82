package queue

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/secrets"
	"deployer/state"
)

// canary is the secret of every test's env file.
const canary = "c4nary/pass+word=77"

// patience ends a test that waits for what does not come.
const patience = time.Minute

// A bench is a whole deployer around a fake target: a real repository, real
// SOPS files, a real store. Each stack is a folder of the repository infra.
type bench struct {
	t      *testing.T
	repo   *gittest.Repo
	store  *state.Store
	target *fakeTarget
	queue  *Queue
	seen   *recorder

	dir, recipient string
	stacks         []*pipeline.Stack
	templates      []*Template
	parts          pipeline.Parts
	env            gittest.File
	halt           func() // stops the queue; nil while it does not serve
	deliveries     int
}

func newBench(t *testing.T, names ...string) *bench {
	t.Helper()
	b := &bench{t: t, repo: gittest.NewRepo(t), target: newFakeTarget(), seen: &recorder{}, dir: t.TempDir()}
	identity, recipient, err := secrets.GenerateAgeKey()
	b.must(err)
	b.recipient = recipient
	keyFile := filepath.Join(b.dir, "age.key")
	b.must(os.WriteFile(keyFile, []byte(identity.Reveal()+"\n"), 0o600))
	vault, err := secrets.OpenVault(filepath.Join(b.dir, "vault.key"))
	b.must(err)
	b.store, err = state.Open(b.database())
	b.must(err)
	b.parts = pipeline.Parts{
		Vault: vault, Mask: secrets.NewRedactor, Now: time.Now,
		LogLimit:  func() int64 { return 1 << 20 },
		Retention: func() state.Retention { return state.Retention{Runs: 500, Age: 24 * time.Hour} },
		Log:       slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	mirror := gitsync.Open(filepath.Join(b.dir, "mirror"), gitsync.Remote{URL: b.repo.URL()})
	if len(names) == 0 {
		names = []string{"shop"}
	}
	for _, name := range names {
		b.stacks = append(b.stacks, &pipeline.Stack{
			Name: name, Repository: "infra", Branch: "main", Directory: name, Project: name, Claim: name,
			Mirror: mirror, Keys: secrets.Keyring{AgeKeyFiles: []string{keyFile}}, Target: b.target,
			Roots: pipeline.NewRoots(b.dir, filepath.Join(b.dir, "tmpfs"), name),
		})
	}
	b.env = b.encrypted("PASSWORD=" + canary)
	b.renew()
	t.Cleanup(func() {
		b.stop()
		b.must(b.store.Close())
		b.must(mirror.Close())
	})
	return b
}

func (b *bench) database() string { return filepath.Join(b.dir, "deployer.db") }

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// encrypted is an env file as a person commits it.
func (b *bench) encrypted(lines ...string) gittest.File {
	b.t.Helper()
	data, err := secrets.EncryptDotenv([]byte(strings.Join(lines, "\n")+"\n"), []string{b.recipient}, "")
	b.must(err)
	return gittest.Text(string(data))
}

// app is the content of a stack's folder: a web service with the image, a
// database, and pipeline.yaml where it is not empty.
func (b *bench) app(stack, image, file string) gittest.Files {
	files := gittest.Files{
		path.Join(stack, ".env.production"): b.env,
		path.Join(stack, "compose.yaml"): gittest.Text(fmt.Sprintf(
			"services:\n  web:\n    image: %s\n    environment: {PASSWORD: \"${PASSWORD}\"}\n  db:\n    image: db:1\n", image)),
	}
	if file != "" {
		files[path.Join(stack, pipeline.FileName)] = gittest.Text(file)
	}
	return files
}

func (b *bench) commit(message string, files gittest.Files) string {
	b.t.Helper()
	return b.repo.Commit("main", message, files)
}

// renew makes a queue over the store, as a new start of the process does.
func (b *bench) renew() {
	b.queue = New(b.store, pipeline.NewRunner(b.store, b.parts), b.stacks, 4, b.parts.Log, b.seen)
	if len(b.templates) > 0 {
		b.must(b.queue.Reload(b.stacks, 4, b.templates...))
	}
}

// serve starts runs from now on.
func (b *bench) serve() *bench {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	queue := b.queue
	go func() { done <- queue.Serve(ctx, patience) }()
	b.halt = func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
	return b
}

// stop ends the queue as SIGTERM does.
func (b *bench) stop() {
	b.t.Helper()
	if b.halt != nil {
		b.halt()
		b.halt = nil
	}
}

// crash ends the queue such that the store is as a killed process leaves it:
// the run that was under way still says that it runs.
func (b *bench) crash(run *state.Run) {
	b.t.Helper()
	b.stop()
	b.must(b.store.Update(func(tx *state.Tx) error {
		left, err := tx.Run(run.ID)
		if err != nil {
			return err
		}
		left.Status = state.RunRunning
		return tx.PutRun(left)
	}))
}

// restart is the next start of the process.
func (b *bench) restart() {
	b.t.Helper()
	b.stop()
	b.renew()
	b.serve()
}

// event is the push of a commit, as its provider announces it.
func (b *bench) event(commit string) state.Event {
	b.deliveries++
	return state.Event{
		Provider: "github", Delivery: fmt.Sprintf("delivery-%d", b.deliveries), Kind: state.EventPush,
		Ref: "refs/heads/main", After: commit, Actor: "dev", ReceivedAt: time.Now(),
	}
}

func (b *bench) accept(events ...state.Event) state.Receipt {
	b.t.Helper()
	receipt, err := b.queue.Accept(b.t.Context(), "infra", events)
	b.must(err)
	return receipt
}

// push commits, delivers the webhook and returns the one run that it queues.
func (b *bench) push(message string, files gittest.Files) *state.Run {
	b.t.Helper()
	receipt := b.accept(b.event(b.commit(message, files)))
	if len(receipt.Runs) != 1 {
		b.t.Fatalf("the push queued %d runs (%s), want 1", len(receipt.Runs), receipt.Ignored)
	}
	return receipt.Runs[0]
}

// deployed pushes and wants the run to succeed.
func (b *bench) deployed(message string, files gittest.Files) *state.Run {
	b.t.Helper()
	return b.ends(b.push(message, files), state.RunSucceeded)
}

func (b *bench) run(id string) (run *state.Run) {
	b.t.Helper()
	b.must(b.store.View(func(tx *state.Tx) (err error) {
		run, err = tx.Run(id)
		return err
	}))
	return run
}

func (b *bench) stack(name string) (s *state.Stack) {
	b.t.Helper()
	b.must(b.store.View(func(tx *state.Tx) (err error) {
		s, err = tx.Stack(name)
		return err
	}))
	return s
}

// wait follows a run until done says so, and returns it as it then was.
func (b *bench) wait(id, what string, done func(*state.Run) bool) *state.Run {
	b.t.Helper()
	changed, stop := b.store.Watch(id)
	defer stop()
	late := time.After(patience)
	for {
		run := b.run(id)
		if done(run) {
			return run
		}
		select {
		case <-changed:
		case <-late:
			b.t.Fatalf("run %s never was %s:\n%s", id, what, b.story(run))
		}
	}
}

// ends waits until a run is over and wants it to have ended with the status.
func (b *bench) ends(run *state.Run, want state.RunStatus) *state.Run {
	b.t.Helper()
	got := b.wait(run.ID, "over", func(r *state.Run) bool { return r.Status.Terminal() })
	if got.Status != want {
		b.t.Fatalf("the run is %s, want %s:\n%s", got.Status, want, b.story(got))
	}
	return got
}

// becomes waits until a run has the status.
func (b *bench) becomes(run *state.Run, want state.RunStatus) *state.Run {
	b.t.Helper()
	return b.wait(run.ID, string(want), func(r *state.Run) bool { return r.Status == want })
}

func (b *bench) log(run *state.Run) string {
	b.t.Helper()
	text, err := b.store.ReadLog(run.ID, 0, 1<<30)
	b.must(err)
	return string(text)
}

// await waits until a held call, or a held request, is there.
func (b *bench) await(reached <-chan struct{}) {
	b.t.Helper()
	select {
	case <-reached:
	case <-time.After(patience):
		b.t.Fatal("what should be held never came")
	}
}

// story tells a run to who reads a failed test.
func (b *bench) story(r *state.Run) string {
	return fmt.Sprintf("status %s, phase %q, error %q, hint %q\n%s", r.Status, r.Phase, r.Error, r.Hint, b.log(r))
}

// says wants text to hold every part.
func (b *bench) says(text string, parts ...string) {
	b.t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			b.t.Errorf("%q is not said in:\n%s", p, text)
		}
	}
}

// by is a person's trigger.
func by(actor, reason string) state.Trigger {
	return state.Trigger{Kind: state.TriggerAPI, Actor: actor, Reason: reason}
}
