package check

import (
	"maps"
	"slices"
	"time"
)

// A kind is a check by the name that pipeline.yaml gives it.
type kind struct {
	make    func() Check  // with its defaults; a pointer to a struct with tagged fields
	timeout time.Duration // of one attempt, where the spec gives none
	subject []string      // the fields that a title shows
}

const defaultTimeout = 10 * time.Second

var kinds = map[string]kind{
	"backup":       {make: newBackup, timeout: defaultTimeout, subject: []string{"volumes"}},
	"containers":   {make: newContainers, timeout: time.Minute},
	"engine":       {make: newEngine, timeout: defaultTimeout},
	"env":          {make: newEnv, timeout: defaultTimeout},
	"exec":         {make: newExec, timeout: defaultTimeout, subject: []string{"service", "command"}},
	"http":         {make: newHTTP, timeout: defaultTimeout, subject: []string{"url"}},
	"placeholders": {make: newPlaceholders, timeout: defaultTimeout},
	"tcp":          {make: newTCP, timeout: defaultTimeout, subject: []string{"address"}},
}

// Names returns the names of all checks, sorted.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// A validator looks at fields that depend on each other, once every variable
// is filled in.
type validator interface{ validate() error }
