package main

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
)

// exposures remembers which files with secrets it has warned of.
type exposures struct {
	mu    sync.Mutex
	known []string
}

// warn says once of each file that every user of the machine has come to be
// able to read it, and again after it was closed in between. It is used all
// the same: what it holds is out already, and a refusal would only take the
// deploys away with it; a start and a reload refuse it.
func (e *exposures) warn(log *slog.Logger, open []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, file := range open {
		if !slices.Contains(e.known, file) {
			log.Warn("a file with a secret is open to every user of the machine, and the next start or reload will refuse it",
				"file", file, "hint", fmt.Sprintf("chmod o= %s, and replace what it holds", file))
		}
	}
	e.known = open
}
