package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

func TestMain(m *testing.M) { os.Exit(producttest.Main(m)) }

// pushes is how many pushes one figure comes of.
const pushes = 9

// BenchmarkPushChanged pushes a commit that changes one of two services, each
// with a health check, and waits from the acknowledgement until the new one
// answers and verify has passed. The floor is fetch and compose up with wait.
func BenchmarkPushChanged(b *testing.B) {
	for b.Loop() {
		s := newScene(b, gittest.NewRepo(b), ".")
		reportInTurns(b, s.changed, func() time.Duration { return timed(func() { s.byHand(0) }) })
	}
}

// BenchmarkPushUnchanged pushes a commit that changes nothing of what is
// deployed. The floor is go-git's fetch and one list of containers.
func BenchmarkPushUnchanged(b *testing.B) {
	for b.Loop() {
		s := newScene(b, gittest.NewRepo(b), ".")
		reportInTurns(b, s.unchanged, func() time.Duration { return timed(func() { s.hand.fetch(0); s.hand.list() }) })
	}
}

// BenchmarkPushBad pushes a service that dies, and waits from the failure
// until the last good release runs and is verified. The floor is compose up
// with wait back to the same release.
func BenchmarkPushBad(b *testing.B) {
	for b.Loop() {
		s := newScene(b, gittest.NewRepo(b), ".")
		mine := strings.NewReplacer(s.ports[0], s.ports[1])
		var ours, floor []time.Duration
		for n := range pushes {
			s.commit(s.compose(fmt.Sprintf("bad-%d", n), "EXIT_AFTER: 10ms"))
			_, run := s.deployed(state.RunRolledBack)
			ours = append(ours, run.FinishedAt.Sub(*run.Stage(state.StageDeploy).FinishedAt))
			s.hand.write(mine.Replace(s.compose(fmt.Sprintf("bad-%d", n), "EXIT_AFTER: 10ms")))
			_ = s.hand.up() // it says that the service has ended
			s.hand.write(mine.Replace(s.good))
			floor = append(floor, timed(s.hand.mustUp))
		}
		report(b, ours, floor)
	}
}

// BenchmarkLargeRepo pushes to a stack in a repository of 30,000 files and
// 3,000 commits. Floors: of the first deploy go-git's fetch of depth 1 and
// compose up; of a change and of none the same push to a small repository, on
// an Engine that has the containers of both.
func BenchmarkLargeRepo(b *testing.B) {
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			var ours, floor []time.Duration
			for range 3 {
				s := newScene(b, gittest.NewLargeRepo(b, 30_000, 3_000), "stacks/web")
				ours, floor = append(ours, s.first), append(floor, s.firstByHand)
				b.ReportMetric(s.peak(), "MiB/peak")
			}
			report(b, ours, floor)
		}
	})
	for name, push := range map[string]func(*scene) time.Duration{"changed": (*scene).changed, "unchanged": (*scene).unchanged} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				small := newScene(b, gittest.NewRepo(b), "stacks/web")
				large := newScene(b, gittest.NewLargeRepo(b, 30_000, 3_000), "stacks/web")
				reportInTurns(b, func() time.Duration { return push(large) }, func() time.Duration { return push(small) })
				b.ReportMetric(large.peak(), "MiB/peak")
			}
		})
	}
}

// BenchmarkIdle reports what a server that waits for its first push holds in
// memory, and the size of the stripped binary.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		p := producttest.New(b)
		time.Sleep(2 * time.Second) // what the start made is given back
		anonymous, resident := memory(b, p.PID(), "RssAnon"), memory(b, p.PID(), "VmRSS")
		b.ReportMetric(anonymous, "MiB/anonymous")
		b.ReportMetric(resident, "MiB/resident")
		info, err := os.Stat(p.Program)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, "MB/binary")
		b.ReportMetric(0, "ns/op")
		p.Stop()
	}
}
