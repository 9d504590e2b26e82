package queue

import (
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"

	"deployer/state"
)

// A recorder is an Observer that remembers what it was told.
type recorder struct {
	mu   sync.Mutex
	told []string
	all  io.Writer // gets each run as JSON; nil for nothing
}

func (r *recorder) RunChanged(run *state.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, run.ID+" "+string(run.Status))
	if r.all != nil {
		_ = json.NewEncoder(r.all).Encode(run)
	}
}

// isTold waits until the observer was told, which comes after it is on disk.
func (b *bench) isTold(run *state.Run, status state.RunStatus) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !b.seen.wasTold(run, status); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("observers were not told that run %s is %s", run.ID, status)
		}
	}
}

func (r *recorder) wasTold(run *state.Run, status state.RunStatus) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.told, run.ID+" "+string(status))
}
