package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A TLS names the certificate that the server presents, in PEM.
type TLS struct {
	CertFile, KeyFile string
}

// A certificate is read again when one of its files has changed, so that a
// renewal needs no restart.
type certificate struct {
	files TLS
	log   *slog.Logger

	mu     sync.Mutex
	seen   [2]stamp // of the files when they were last read, well or not
	loaded *tls.Certificate
}

type stamp struct {
	modified time.Time
	size     int64
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stamps() != c.seen {
		if err := c.read(); err != nil {
			c.log.Warn("the certificate has changed but cannot be read; the one before stays in use", "error", err)
		}
	}
	return c.loaded, nil
}

func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *certificate) read() error {
	c.seen = c.stamps()
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return fmt.Errorf("load the certificate %s and its key %s: %w", c.files.CertFile, c.files.KeyFile, err)
	}
	c.loaded = &pair
	return nil
}

func (c *certificate) stamps() (now [2]stamp) {
	for i, name := range []string{c.files.CertFile, c.files.KeyFile} {
		if info, err := os.Stat(name); err == nil {
			now[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return now
}
