package pipeline

import (
	"context"
	"time"
)

// housekeepEvery is the time between two looks for what is beyond the retention.
const housekeepEvery = time.Hour

// housekeep forgets what is beyond the retention, at the start and every hour.
// The channel is closed when it has stopped.
func (q *Queue) housekeep(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(housekeepEvery)
		defer tick.Stop()
		for {
			removed, err := q.store.Prune(ctx, q.runner.parts.Retention, q.now())
			switch {
			case err != nil && ctx.Err() == nil:
				q.log.Error("forget what is beyond the retention", "error", err)
			case removed > 0:
				q.log.Info("forgot runs beyond the retention", "runs", removed)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return done
}
