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
	alone   bool          // it disturbs what others look at
}

const defaultTimeout = 10 * time.Second

var kinds = map[string]kind{
	"access":         {make: newAccess, timeout: 30 * time.Second, subject: []string{"url"}},
	"acme":           {make: newACME, timeout: defaultTimeout, subject: []string{"service", "hosts"}},
	"acme_budget":    {make: newBudget, timeout: defaultTimeout},
	"acme_rehearsal": {make: newRehearsal, timeout: 2 * time.Minute, subject: []string{"hosts"}, alone: true},
	"backup":         {make: newBackup, timeout: defaultTimeout, subject: []string{"volumes"}},
	"containers":     {make: newContainers, timeout: time.Minute},
	"credentials":    {make: newCredentials, timeout: time.Minute, subject: []string{"username"}},
	"disk":           {make: newDisk, timeout: defaultTimeout, subject: []string{"path", "volume"}},
	"dns":            {make: newDNS, timeout: 20 * time.Second, subject: []string{"host"}},
	"encrypted":      {make: newEncrypted, timeout: time.Minute},
	"engine":         {make: newEngine, timeout: defaultTimeout},
	"env":            {make: newEnv, timeout: defaultTimeout},
	"example":        {make: newExample, timeout: defaultTimeout},
	"exec":           {make: newExec, timeout: defaultTimeout, subject: []string{"service", "command"}},
	"http":           {make: newHTTP, timeout: defaultTimeout, subject: []string{"url"}},
	"images":         {make: newImages, timeout: defaultTimeout},
	"logs":           {make: newLogs, timeout: defaultTimeout, subject: []string{"services"}},
	"placeholders":   {make: newPlaceholders, timeout: defaultTimeout},
	"ports":          {make: newPorts, timeout: defaultTimeout},
	"registry":       {make: newRegistry, timeout: 30 * time.Second, subject: []string{"url"}},
	"tcp":            {make: newTCP, timeout: defaultTimeout, subject: []string{"address"}},
	"tls":            {make: newTLS, timeout: defaultTimeout, subject: []string{"host"}},
	"traefik":        {make: newTraefik, timeout: defaultTimeout},
}

// Names returns the names of all checks, sorted.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// A validator looks at fields that depend on each other, once every variable
// is filled in.
type validator interface{ validate() error }
