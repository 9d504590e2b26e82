package server

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"deployer/state"
)

// metrics are what the server counts, in a registry of its own.
type metrics struct {
	registry   *prometheus.Registry
	runs       *runCollector
	reloads    *reloadMetrics
	deliveries *prometheus.CounterVec
	requests   *prometheus.HistogramVec
}

func newMetrics(s *Server) (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		runs:     newRunCollector(),
		reloads:  newReloadMetrics(),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "deployer_deliveries_total", Help: "Webhook deliveries by what became of them.",
		}, []string{"result"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "deployer_http_request_duration_seconds", Help: "Time to answer a request; of a log stream its whole length.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"route", "method", "code"}),
	}
	for _, result := range deliveryResults {
		m.deliveries.WithLabelValues(result)
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "deployer_build_info", Help: "The version that runs; always 1.",
	}, []string{"version", "go_version"})
	info.WithLabelValues(s.Version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.runs, m.deliveries, m.requests, info, &stackCollector{s}, m.reloads.successful, m.reloads.at,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	err := s.Store.View(func(t *state.Tx) error {
		active, err := t.ActiveRuns()
		for _, r := range active {
			m.runs.changed(r)
		}
		return err
	})
	return m, err
}

// deliveryResults says in one word what an answer to a delivery means.
var deliveryResults = map[int]string{
	http.StatusAccepted:              "accepted",
	http.StatusOK:                    "ignored",
	http.StatusUnauthorized:          "unauthorised",
	http.StatusNotFound:              "unknown_repository",
	http.StatusRequestEntityTooLarge: "too_large",
	http.StatusUnsupportedMediaType:  "unreadable",
	http.StatusBadRequest:            "malformed",
	http.StatusRequestTimeout:        "too_slow",
	http.StatusServiceUnavailable:    "unavailable",
	http.StatusInternalServerError:   "failed",
}

// answered counts a request. A path that is not a route is counted without its
// name: anyone can think of more of them.
func (m *metrics) answered(c echo.Context, took time.Duration) {
	code, path, method := c.Response().Status, c.Path(), c.Request().Method
	nowhere := path == "" || code == http.StatusMethodNotAllowed
	if nowhere {
		path, method = "other", "any"
	}
	m.requests.WithLabelValues(path, method, strconv.Itoa(code)).Observe(took.Seconds())
	if path == hookPath {
		m.deliveries.WithLabelValues(orDefault(deliveryResults[code], "failed")).Inc()
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (s *Server) getMetrics(c *call) error {
	s.metrics.handler().ServeHTTP(c.Response(), c.Request())
	return nil
}
