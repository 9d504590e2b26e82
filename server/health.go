package server

import (
	"net/http"
	"sync"
	"time"
)

type healthView struct {
	Status string `json:"status"`
}

// getHealth says that the process answers.
func (s *Server) getHealth(c *call) error {
	return c.JSON(http.StatusOK, healthView{"ok"})
}

// getReadiness says whether work can be taken: the store can be written, and
// the server is not about to stop.
func (s *Server) getReadiness(c *call) error {
	select {
	case <-s.stopping:
		return unavailable(c, "the server is stopping", "ask again once it has started anew")
	default:
	}
	if err := s.ready.check(s.Now(), s.Store.Ping); err != nil {
		s.Log.Error("the database cannot be written", "error", err)
		return unavailable(c, "the database cannot be written", "look for space on the disk of the data folder, and at the server's log")
	}
	return c.JSON(http.StatusOK, healthView{"ok"})
}

// readiness remembers the last answer for a second, so that whoever asks
// cannot keep the disk busy.
type readiness struct {
	mu    sync.Mutex
	until time.Time
	err   error
}

func (r *readiness) check(now time.Time, ping func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.until) {
		return r.err
	}
	r.err = ping()
	r.until = now.Add(time.Second)
	return r.err
}
