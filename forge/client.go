// Package forge owns what deployer writes to the place where code is reviewed:
// the status of a commit, and one comment on a pull request. One file per
// forge; what they share of HTTP is in api.go.
package forge

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A State is what a commit's status says.
type State string

const (
	Pending  State = "pending"
	Success  State = "success"
	Failure  State = "failure"
	Canceled State = "canceled" // it was not tried; each forge has a word of its own for that
)

// A Status is what a commit is marked with. The last one of a context counts.
type Status struct {
	Commit      string // full hash
	Context     string // deployer/shop
	State       State
	Description string // one sentence, cut to what the forge takes
	URL         string // what it links to; may be empty
}

// A Client writes to one repository of one forge. Its methods may be called
// from any goroutine. Where a forge refuses for good the error is a *Refusal;
// every other error may pass.
type Client interface {
	// SetStatus marks a commit. Saying the same again does no harm.
	SetStatus(ctx context.Context, s Status) error
	// PutComment makes the pull request hold one comment of deployer's own with
	// the marker, an HTML comment: it is edited where it is there, on whatever
	// page, and made again where somebody deleted it.
	PutComment(ctx context.Context, pull int, marker, body string) error
	// Examine tries the token on the repository, writing nothing.
	Examine(ctx context.Context) (Standing, error)
}

// pullStatuses is what a client has whose forge lets a branch's rules require
// a status of the pull request, not of its commit.
type pullStatuses interface {
	// SetPullStatus marks a pull request. The status's commit does not count.
	SetPullStatus(ctx context.Context, pull int, s Status) error
}

// A Doer sends a request: an *http.Client, as a rule.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Options are what a client is made of.
type Options struct {
	Provider   string                 // one of Providers
	API        string                 // the URL of the forge's API
	Repository string                 // the clone URL
	Name       string                 // of the repository at the forge; empty: taken from the clone URL
	Token      func() (string, error) // read again for each request
	Doer       Doer
}

// forges are the providers that statuses can be written to. Gogs is not one:
// it has no commit statuses.
var forges = map[string]func(*api, address) (Client, error){
	"github":           newGitHub,
	"gitlab":           newGitLab,
	"gitea":            newGitea,
	"forgejo":          newGitea,
	"bitbucket":        newBitbucket,
	"bitbucket-server": newBitbucketServer,
	"azure-devops":     newAzure,
}

// Providers returns the names that New takes.
func Providers() []string { return slices.Sorted(maps.Keys(forges)) }

// New makes a client. It sends nothing yet.
func New(o Options) (Client, error) {
	make, ok := forges[o.Provider]
	switch {
	case o.Provider == "gogs":
		return nil, fmt.Errorf("gogs has no commit statuses")
	case !ok:
		return nil, fmt.Errorf("%q is no forge that statuses can be written to: use one of %s", o.Provider, strings.Join(Providers(), ", "))
	}
	a, err := newAPI(o)
	if err != nil {
		return nil, err
	}
	where, err := addressOf(o.Repository, o.Name)
	if err != nil {
		return nil, err
	}
	return make(a, where)
}
