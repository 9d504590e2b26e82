package queue

import (
	"net"
	"path/filepath"
	"testing"

	"deployer/gitsync"
	"deployer/state"
)

func (b *bench) cancel(run *state.Run) {
	b.t.Helper()
	b.must(b.queue.Cancel(b.t.Context(), run.ID, by("ops", "")))
}

func TestWaitingRunIsCanceledAtOnce(t *testing.T) {
	b := newBench(t).serve()
	b.must(b.queue.Lock(t.Context(), "shop", by("ops", "sale")))
	run := b.becomes(b.push("one", b.app("shop", "app:1", "")), state.RunWaiting)
	b.cancel(run)
	got := b.ends(run, state.RunCanceled)
	if got.Error != "canceled by ops" || got.FinishedAt == nil || got.WaitingFor != "" || !b.seen.wasTold(run, state.RunCanceled) {
		t.Errorf("error %q, finished %v, waits for %q", got.Error, got.FinishedAt, got.WaitingFor)
	}
	b.refused(b.queue.Cancel(t.Context(), run.ID, by("ops", "")), "is over: canceled")
}

// silentServer takes connections and never answers; it tells of the first.
func silentServer(t *testing.T) (url string, connected <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	there := make(chan struct{})
	var open []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if open = append(open, conn); len(open) == 1 {
				close(there)
			}
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		for _, conn := range open {
			_ = conn.Close()
		}
	})
	return "http://" + listener.Addr().String() + "/infra.git", there
}

func TestRunIsCanceledWhileTheGitServerIsSilent(t *testing.T) {
	b := newBench(t)
	url, connected := silentServer(t)
	b.stacks[0].Mirror = gitsync.Open(filepath.Join(b.dir, "silent"), gitsync.Remote{URL: url})
	b.serve()
	run := b.accepted(b.event("0123456789"))
	b.await(connected)
	b.cancel(run)
	got := b.ends(run, state.RunCanceled)
	b.says(got.Error, "fetch", "canceled by ops")
	if j := b.stack("shop").Judged; j == nil || !j.Again || j.Outage {
		t.Errorf("judged %+v: a person may try the commit again, poll does not", j)
	}
}

func TestCancelBeforeTheChangeTouchesNothing(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	reached, _ := b.target.hold(func(c call) bool { return c.op == "images" })
	run := b.push("two", b.app("shop", "app:2", ""))
	b.await(reached)
	b.cancel(run)
	b.ends(run, state.RunCanceled)
	b.quarantined(run, false)
	if s := b.stack("shop"); s.Live.ID != good.Release || b.target.runs("shop", "web") != "app:1" {
		t.Errorf("live %s, web runs %s", s.Live.ID, b.target.runs("shop", "web"))
	}
}

func TestCancelAfterTheFirstChangeGoesBack(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	reached, _ := b.target.hold(applying("app:2"))
	run := b.push("two", b.app("shop", "app:2", ""))
	b.await(reached)
	b.cancel(run)
	got := b.back(run, good)
	b.says(got.Error, "canceled by ops")
	b.quarantined(got, true)
}

func TestCancelDoesNotStopAWayBack(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	reached, let := b.target.hold(applying("app:1"))
	run := b.push("two", b.app("shop", "app:broken", ""))
	b.await(reached)
	b.cancel(run)
	let()
	b.says(b.back(run, good).Error, "exited with code 1")
}

func TestNextRunOfTheStackStartsAfterTheCanceledOne(t *testing.T) {
	b := newBench(t).serve()
	reached, _ := b.target.hold(func(c call) bool { return c.op == "images" })
	first := b.push("one", b.app("shop", "app:1", ""))
	b.await(reached)
	second := b.push("two", b.app("shop", "app:2", ""))
	b.target.on(nil)
	if got := b.run(second.ID).Status; got != state.RunQueued {
		t.Errorf("while one runs the next is %s", got)
	}
	b.cancel(first)
	b.ends(first, state.RunCanceled)
	b.ends(second, state.RunSucceeded)
}
