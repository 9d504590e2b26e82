package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"deployer/state"
)

var (
	stackLive        = prometheus.NewDesc("deployer_stack_live_info", "The release that is live; always 1.", []string{"stack", "commit", "release"}, nil)
	stackLiveSince   = prometheus.NewDesc("deployer_stack_live_since_seconds", "When the live release became live, in seconds since 1970.", []string{"stack"}, nil)
	stackQuarantined = prometheus.NewDesc("deployer_stack_quarantined_releases", "Releases in quarantine.", []string{"stack"}, nil)
	stackLocked      = prometheus.NewDesc("deployer_stack_locked", "1 where the stack is locked.", []string{"stack"}, nil)
	stackPinned      = prometheus.NewDesc("deployer_stack_pinned", "1 where a person pinned the stack to a release.", []string{"stack"}, nil)
)

// A stackCollector reads what is kept of the configured stacks at each scrape.
type stackCollector struct{ server *Server }

func (sc *stackCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{stackLive, stackLiveSince, stackQuarantined, stackLocked, stackPinned} {
		ch <- d
	}
}

func (sc *stackCollector) Collect(ch chan<- prometheus.Metric) {
	err := sc.server.Store.View(func(t *state.Tx) error {
		for _, name := range sc.server.Stacks.Names() {
			kept, err := t.Stack(name)
			if err != nil {
				return err
			}
			collectStack(ch, kept)
		}
		return nil
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(stackLive, err)
	}
}

func collectStack(ch chan<- prometheus.Metric, kept *state.Stack) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if live := kept.Live; live != nil {
		gauge(stackLive, 1, kept.Name, live.Commit, live.ID)
		gauge(stackLiveSince, float64(live.At.Unix()), kept.Name)
	}
	gauge(stackQuarantined, float64(len(kept.Quarantined)), kept.Name)
	gauge(stackLocked, oneIf(kept.Lock != nil), kept.Name)
	gauge(stackPinned, oneIf(kept.Pin != nil), kept.Name)
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
