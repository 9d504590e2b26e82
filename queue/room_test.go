package queue

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"deployer/state"
)

// makeRoom stops the web container of the bench's stack, as a check's run does.
func (b *bench) makeRoom(ctx context.Context) (back func(context.Context) error, err error) {
	return b.queue.runner.MakeRoom(ctx, b.stacks[0], "run-of-the-check", b.target.id("shop", "web"), "shop-web-1")
}

func (b *bench) webIs(want string) bool {
	b.target.mu.Lock()
	defer b.target.mu.Unlock()
	return b.target.containers["shop"]["web"].State == want
}

func TestRoomIsMadeAndGivenBack(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("first", b.app("shop", "app:1", ""))
	id := b.target.id("shop", "web")
	var noted *state.Stopped
	b.target.on(func(ctx context.Context, c call) error {
		if c.op == "stop" {
			noted = b.stack("shop").Stopped
		}
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	back, err := b.makeRoom(ctx)
	b.must(err)
	if noted == nil || noted.Container != id || noted.Run != "run-of-the-check" {
		t.Fatalf("on disk before the stop: %+v", noted)
	}
	if !b.webIs("exited") {
		t.Fatal("it was not stopped")
	}
	cancel() // the check's time is over
	b.must(back(ctx))
	if !b.webIs("running") || b.target.id("shop", "web") != id || b.stack("shop").Stopped != nil {
		t.Errorf("not as before: %+v", b.stack("shop").Stopped)
	}
}

func TestAStopThatFailsIsUndone(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("first", b.app("shop", "app:1", ""))
	broken := errors.New("no connection")
	b.target.on(func(_ context.Context, c call) error {
		if c.op == "stop" {
			b.target.setState(b.target.id("shop", "web"), "exited") // it was done, and nobody heard of it
			return broken
		}
		return nil
	})
	if _, err := b.makeRoom(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if !b.webIs("running") || b.stack("shop").Stopped != nil {
		t.Error("the container stayed stopped")
	}
}

func TestTheNextStartGivesRoomBack(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("first", b.app("shop", "app:1", ""))
	if _, err := b.makeRoom(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.stop() // and nobody called back
	if !b.webIs("exited") {
		t.Fatal("it was started without a start of deployer")
	}
	var asked atomic.Int32
	b.target.on(func(_ context.Context, c call) error {
		if c.op == "start" && asked.Add(1) == 1 {
			return errors.New("the Engine is not up yet")
		}
		return nil
	})
	b.restart()
	for late := time.After(patience); !b.webIs("running") || b.stack("shop").Stopped != nil; {
		select {
		case <-late:
			t.Fatal("it was not started again")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times, want 2", asked.Load())
	}
}
