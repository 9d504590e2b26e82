package server

import "github.com/prometheus/client_golang/prometheus"

// reloadMetrics say whether what the server does is what deployer.yaml says.
// The start counts as a reload.
type reloadMetrics struct {
	successful prometheus.Gauge
	at         prometheus.Gauge
}

func newReloadMetrics() *reloadMetrics {
	return &reloadMetrics{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deployer_config_last_reload_successful",
			Help: "1 where deployer.yaml was good when it was last read; 0: the one before is in force.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deployer_config_last_reload_success_timestamp_seconds",
			Help: "When a good deployer.yaml was last read, in seconds since 1970.",
		}),
	}
}
