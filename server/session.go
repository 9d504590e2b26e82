package server

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	sessionCookie = "deployer_session"
	sessionLength = 12 * time.Hour
	maxSessions   = 1000
)

// sessions are the browsers that have signed in. They live in memory: a
// restart asks for the token again.
type sessions struct {
	mu sync.Mutex
	by map[[sha256.Size]byte]session // by the hash of the cookie's value
}

type session struct {
	token [sha256.Size]byte // hash
	ends  time.Time
}

// begin returns the id of a new session of a token.
func (s *sessions) begin(token [sha256.Size]byte, now time.Time) (id string) {
	id = rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = make(map[[sha256.Size]byte]session)
	}
	if len(s.by) >= maxSessions {
		s.makeRoom(now)
	}
	s.by[sha256.Sum256([]byte(id))] = session{token: token, ends: now.Add(sessionLength)}
	return id
}

// makeRoom drops the sessions that are over, or the oldest where none is.
func (s *sessions) makeRoom(now time.Time) {
	var oldest [sha256.Size]byte
	for key, one := range s.by {
		if !now.Before(one.ends) {
			delete(s.by, key)
		} else if kept, ok := s.by[oldest]; !ok || one.ends.Before(kept.ends) {
			oldest = key
		}
	}
	if len(s.by) >= maxSessions {
		delete(s.by, oldest)
	}
}

// token returns the hash of the token that the session belongs to.
func (s *sessions) token(id string, now time.Time) (hash [sha256.Size]byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.by[sha256.Sum256([]byte(id))]
	return one.token, ok && now.Before(one.ends)
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, sha256.Sum256([]byte(id)))
}

// cookie carries a session's id, or takes it back where id is empty.
func (s *Server) cookie(r *http.Request, id string) *http.Cookie {
	c := &http.Cookie{
		Name:     sessionCookie,
		Value:    id,
		Path:     "/",
		MaxAge:   int(sessionLength.Seconds()),
		HttpOnly: true,
		Secure:   r.TLS != nil || strings.HasPrefix(s.URL, "https://"),
		SameSite: http.SameSiteStrictMode,
	}
	if id == "" {
		c.MaxAge = -1
	}
	return c
}
