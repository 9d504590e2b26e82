package server

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"deployer/state"
)

var (
	runsActive   = prometheus.NewDesc("deployer_runs_active", "Runs that are not over, by where they stand.", []string{"stack", "status"}, nil)
	runsFinished = prometheus.NewDesc("deployer_runs_finished_total", "Runs that are over, by how they ended.", []string{"stack", "status"}, nil)
)

// A runCount is what runs are counted by.
type runCount struct {
	stack  string
	status state.RunStatus
}

// A runCollector counts runs as it is told of them, so that a scrape reads
// nothing from the disk.
type runCollector struct {
	mu       sync.Mutex
	active   map[string]runCount // by run
	finished map[runCount]int
	last     map[string]string // by stack: the run that was counted last, since one may be told of twice
}

func newRunCollector() *runCollector {
	return &runCollector{active: map[string]runCount{}, finished: map[runCount]int{}, last: map[string]string{}}
}

func (rc *runCollector) changed(r *state.Run) {
	if r.Kind == state.KindReview { // it is news for who proposes, not for who operates
		return
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	count := runCount{r.Stack, r.Status}
	if !r.Status.Terminal() {
		rc.active[r.ID] = count
		return
	}
	if _, known := rc.active[r.ID]; !known && rc.last[r.Stack] == r.ID {
		return
	}
	delete(rc.active, r.ID)
	rc.last[r.Stack] = r.ID
	rc.finished[count]++
}

func (rc *runCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- runsActive
	ch <- runsFinished
}

func (rc *runCollector) Collect(ch chan<- prometheus.Metric) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	active := map[runCount]int{}
	for _, count := range rc.active {
		active[count]++
	}
	for count, n := range active {
		ch <- prometheus.MustNewConstMetric(runsActive, prometheus.GaugeValue, float64(n), count.stack, string(count.status))
	}
	for count, n := range rc.finished {
		ch <- prometheus.MustNewConstMetric(runsFinished, prometheus.CounterValue, float64(n), count.stack, string(count.status))
	}
}
