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
	checkFailing     = prometheus.NewDesc("deployer_check_failing", "1 where a check of the monitor fails, or the container of a service is down.", []string{"stack", "check"}, nil)
	checkWarning     = prometheus.NewDesc("deployer_check_warning", "1 where a check of the monitor warns.", []string{"stack", "check"}, nil)
	checkAt          = prometheus.NewDesc("deployer_check_last_run_timestamp_seconds", "When a check of the monitor last looked, in seconds since 1970.", []string{"stack", "check"}, nil)
	checkTook        = prometheus.NewDesc("deployer_check_duration_seconds", "How long a check of the monitor took when it last looked.", []string{"stack", "check"}, nil)
	checkMeasure     = prometheus.NewDesc("deployer_check_measure", "A number that a check of the monitor has read, such as certificate_days_left or volume_used_bytes.", []string{"stack", "check", "measure"}, nil)
	stackPinned      = prometheus.NewDesc("deployer_stack_pinned", "1 where a person pinned the stack to a release.", []string{"stack"}, nil)
)

// A stackCollector reads what is kept of the configured stacks at each scrape.
type stackCollector struct{ server *Server }

func (sc *stackCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{stackLive, stackLiveSince, stackQuarantined, stackLocked, stackPinned, checkFailing, checkWarning, checkAt, checkTook, checkMeasure} {
		ch <- d
	}
}

func (sc *stackCollector) Collect(ch chan<- prometheus.Metric) {
	var stacks []*state.Stack
	err := sc.server.Store.View(func(t *state.Tx) error {
		for _, name := range sc.server.Stacks.Names() {
			kept, err := t.Stack(name)
			if err != nil {
				return err
			}
			stacks = append(stacks, kept)
		}
		return nil
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(stackLive, err)
		return
	}
	for _, kept := range stacks { // the Engine is asked, and the store again
		collectStack(ch, kept)
		collectReadings(ch, kept.Name, sc.server.Stacks.Readings(kept.Name))
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

func collectReadings(ch chan<- prometheus.Metric, stack string, readings []state.Reading) {
	told := make(map[string]bool, len(readings))
	for _, r := range readings {
		if told[r.Check] {
			continue // the scrape would be refused as a whole
		}
		told[r.Check] = true
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{stack, r.Check}, labels...)...)
		}
		gauge(checkFailing, oneIf(r.Status == state.StepFailed))
		gauge(checkWarning, oneIf(r.Status == state.StepWarned))
		gauge(checkAt, float64(r.At.UnixMilli())/1e3)
		gauge(checkTook, r.Took.Seconds())
		if m := r.Measured; m != nil {
			gauge(checkMeasure, m.Value, m.Name)
		}
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
