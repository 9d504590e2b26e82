package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"deployer/state"
)

// A reader is a sink whose answers are chosen.
type reader struct {
	mu    sync.Mutex
	fail  error
	tries []time.Time
	took  []string // runs
}

func (r *reader) sink(key string) Sink {
	return Sink{
		Key: key, Name: key,
		Wants: func(_ *state.Notice, run *state.Run) bool { return run.Stack != "dull" },
		Take: func(_ context.Context, _ *state.Notice, run *state.Run) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.tries = append(r.tries, time.Now())
			if r.fail == nil {
				r.took = append(r.took, run.ID)
			}
			return r.fail
		},
	}
}

func (r *reader) answer(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail, r.tries = err, nil
}

func (r *reader) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.took, want) {
		t.Errorf("took %q, want %q", r.took, want)
	}
}

type box struct {
	*Outbox
	store *state.Store
	stop  func()
}

// open serves an outbox in the bubble of the test until it is stopped.
func open(t *testing.T, store *state.Store, sinks func() ([]Sink, error)) *box {
	t.Helper()
	o := New(Options{
		Store: store, Prefix: "test/", Sinks: sinks, Task: "tell", Now: time.Now,
		Mask: func(s string) string { return s }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); o.Serve(ctx) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	synctest.Wait()
	return &box{o, store, stop}
}

func (b *box) happens(t *testing.T, id, stack string) {
	t.Helper()
	run := &state.Run{ID: id, Stack: stack, Kind: state.KindDeploy, Status: state.RunFailed, CreatedAt: time.Now()}
	if err := b.store.Update(func(tx *state.Tx) error { return errors.Join(tx.PutRun(run), tx.AddNotice(run, time.Now())) }); err != nil {
		t.Fatal(err)
	}
	b.RunChanged(run)
	synctest.Wait()
}

func database(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(filepath.Join(t.TempDir(), "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestEachSinkTakesAllInOrderAndOnceOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		well, ill := &reader{}, &reader{fail: errors.New("away")}
		sinks := func() ([]Sink, error) { return []Sink{well.sink("test/well"), ill.sink("test/ill")}, nil }
		b := open(t, database(t), sinks)
		for i := range 3 {
			b.happens(t, fmt.Sprint("run-", i), "shop")
			b.happens(t, fmt.Sprint("dull-", i), "dull")
		}
		well.expect(t, "run-0", "run-1", "run-2")
		ill.expect(t)
		b.stop()

		ill.answer(nil)
		b = open(t, b.store, sinks)
		b.happens(t, "run-3", "shop")
		well.expect(t, "run-0", "run-1", "run-2", "run-3")
		ill.expect(t, "run-0", "run-1", "run-2", "run-3")
	})
}

// A slow down asks for time.
type slowDown struct{ time.Duration }

func (s slowDown) Error() string             { return "slow down" }
func (s slowDown) RetryAfter() time.Duration { return s.Duration }

func TestPausesGrowAndASinkMayAskForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{fail: errors.New("away")}
		b := open(t, database(t), func() ([]Sink, error) { return []Sink{r.sink("test/r")}, nil })
		started := time.Now()
		b.happens(t, "run-1", "shop")
		time.Sleep(time.Hour)
		b.RunChanged(nil) // no cause to try earlier
		synctest.Wait()
		r.mu.Lock()
		var at []string
		for _, try := range r.tries {
			at = append(at, try.Sub(started).Round(time.Second).String())
		}
		r.mu.Unlock()
		want := "0s 5s 15s 35s 1m15s 2m35s 5m15s 10m35s 20m35s 30m35s 40m35s 50m35s"
		if got := strings.Join(at, " "); got != want {
			t.Errorf("tried at %s, want %s", got, want)
		}

		r.answer(fmt.Errorf("wrapped: %w", slowDown{3 * time.Hour}))
		time.Sleep(MaxPause) // the next try
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		r.mu.Lock()
		tries := len(r.tries)
		r.mu.Unlock()
		if tries != 1 {
			t.Errorf("%d tries in two hours of three that the sink asked for", tries)
		}
		r.answer(nil)
		time.Sleep(time.Hour)
		r.expect(t, "run-1")
	})
}

func TestANewSinkIsToldWhatHappensFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sinks []Sink
		var unreadable error
		set := func(err error, now ...Sink) {
			mu.Lock()
			defer mu.Unlock()
			sinks, unreadable = now, err
		}
		old, late := &reader{}, &reader{}
		set(nil, old.sink("test/old"))
		b := open(t, database(t), func() ([]Sink, error) {
			mu.Lock()
			defer mu.Unlock()
			return sinks, unreadable
		})
		b.happens(t, "run-1", "shop")
		set(errors.New("its file cannot be read"))
		b.happens(t, "run-2", "shop")
		old.expect(t, "run-1")
		set(nil, old.sink("test/old"), late.sink("test/late"))
		b.RunChanged(nil)
		old.expect(t, "run-1", "run-2")
		b.happens(t, "run-3", "shop")
		late.expect(t, "run-3")

		set(nil, late.sink("test/late"))
		b.happens(t, "run-4", "shop")
		set(nil, late.sink("test/late"), old.sink("test/old")) // gone and back: it is new again
		b.RunChanged(nil)
		synctest.Wait()
		b.happens(t, "run-5", "shop")
		old.expect(t, "run-1", "run-2", "run-3", "run-5")
	})
}
