// Package server owns what deployer shows and takes over HTTP: deliveries of
// webhooks, the API and its document, the page, the stream of a run's log and
// the metrics. It decides who may call; what a call does is up to the
// interfaces that it declares.
package server

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"deployer/state"
)

// Options are what a Server is made of. Durations and sizes of zero take the
// default that is named.
type Options struct {
	Store   *state.Store
	Intake  Intake
	Control Control
	Stacks  Stacks
	Access  Access

	URL            string         // where people reach the server; https makes cookies Secure
	TLS            *TLS           // nil: plain HTTP
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	Version        string         // shown in the metrics
	Log            *slog.Logger
	Now            func() time.Time

	MaxBody     int64         // of a delivery, in bytes; 25 MiB
	BodyTimeout time.Duration // for a delivery to arrive whole; 10 s
	Heartbeat   time.Duration // between signs of life of a quiet log stream; 15 s
	StopTimeout time.Duration // for requests under way when the server stops; 10 s
	FailedAuth  int           // wrong tokens that one address may send in a minute; 10
}

func (o *Options) setDefaults() {
	o.MaxBody = orDefault(o.MaxBody, 25<<20)
	o.BodyTimeout = orDefault(o.BodyTimeout, 10*time.Second)
	o.Heartbeat = orDefault(o.Heartbeat, 15*time.Second)
	o.StopTimeout = orDefault(o.StopTimeout, 10*time.Second)
	o.FailedAuth = orDefault(o.FailedAuth, 10)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// A Server answers HTTP. Its methods may be called from any goroutine.
type Server struct {
	Options
	access   atomic.Pointer[Access]
	echo     *echo.Echo
	origins  *http.CrossOriginProtection
	failures limiter
	sessions sessions
	ready    readiness
	metrics  *metrics
	large    chan struct{} // slots for deliveries that are kept in memory beyond smallBody

	stopping chan struct{} // closed when the server stops: streams end
	stopOnce sync.Once
}

// New makes a Server. It reads the runs under way from the store, so that the
// metrics are right from the start.
func New(o Options) (*Server, error) {
	if o.Control == nil || o.Intake == nil || o.Stacks == nil || o.Store == nil {
		return nil, errors.New("a server needs a store, an intake, a control and stacks")
	}
	o.setDefaults()
	s := &Server{
		Options:  o,
		origins:  http.NewCrossOriginProtection(),
		large:    make(chan struct{}, largeBodies),
		stopping: make(chan struct{}),
	}
	s.failures.perMinute = o.FailedAuth
	if o.URL != "" {
		// A proxy may pass another Host on than the one that people see.
		origin, err := originOf(o.URL)
		if err != nil {
			return nil, err
		}
		if err := s.origins.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	var err error
	if s.metrics, err = newMetrics(s); err != nil {
		return nil, err
	}
	s.Reload(o.Access)
	s.echo = s.newEcho()
	return s, nil
}

// Reload replaces who may call and which deliveries are taken, for the
// requests that begin after it. A session of a token that is gone ends.
func (s *Server) Reload(a Access) {
	s.access.Store(&a)
	s.metrics.reloads.successful.Set(1)
	s.metrics.reloads.at.Set(float64(s.Now().Unix()))
}

// ReloadFailed tells the metrics that the configuration was read again and is
// not good. What was in force stays.
func (s *Server) ReloadFailed() { s.metrics.reloads.successful.Set(0) }

// Handler answers every route of the server.
func (s *Server) Handler() http.Handler { return s.echo }

// MetricsHandler answers with the metrics and asks for no token: it is for an
// address of its own.
func (s *Server) MetricsHandler() http.Handler { return s.metrics.handler() }

// RunChanged tells the metrics that a run was stored with another status.
func (s *Server) RunChanged(run *state.Run) { s.metrics.runs.changed(run) }
