package queue

import (
	"context"
	"time"
)

// housekeepEvery is the time between two looks for what is beyond the retention.
const housekeepEvery = time.Hour

// housekeep forgets what is beyond the retention, and removes the files that
// no release and no container needs, and the mirrors of submodules that no
// stack reads, at the start and every hour.
// The channel is closed when it has stopped.
func (q *Queue) housekeep(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(housekeepEvery)
		defer tick.Stop()
		for {
			removed, err := q.store.Prune(ctx, q.runner.Retention(), q.now())
			switch {
			case err != nil && ctx.Err() == nil:
				q.log.Error("forget what is beyond the retention", "error", err)
			case removed > 0:
				q.log.Info("forgot runs beyond the retention", "runs", removed)
			}
			q.collectFiles(ctx)
			q.keepSubmodules(ctx)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return done
}

func (q *Queue) collectFiles(ctx context.Context) {
	removed, err := q.collect(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		q.log.Warn("remove files that nothing mounts", "error", err, "hint", "nothing was lost; it is tried again in an hour")
	case len(removed) > 0:
		q.log.Info("removed files that nothing mounts", "paths", len(removed))
	}
}
