// Package webhook owns what a forge's delivery looks like: how each provider
// signs it and what it says. A provider verifies a delivery and turns it into
// events; which repository it is for, which secrets count and where to clone
// from is the server's own configuration, never the payload's.
package webhook

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"deployer/state"
)

// What Verify and Parse fail with. Errors wrap one of these and say more.
var (
	ErrUnsigned     = errors.New("delivery is not signed")
	ErrBadSignature = errors.New("signature does not match")
	ErrMediaType    = errors.New("unsupported content type")
	ErrMalformed    = errors.New("malformed delivery")

	// ErrUnsignedPing is a test that the forge cannot sign: nothing is done, and
	// the answer says that the address is right.
	ErrUnsignedPing = errors.New("ping: the address is right; this forge does not sign its pings, so the secret is not proven by it")
)

// A Request is a delivery as it came in. Whoever reads the body bounds it.
type Request struct {
	Header     http.Header
	Body       []byte
	ReceivedAt time.Time // of every event in it; signatures that expire are judged against it
}

// A Provider knows one forge's deliveries. It keeps nothing and is safe for
// concurrent use.
type Provider interface {
	// Verify reports whether the delivery was signed with one of the secrets:
	// nil, or an error that wraps ErrUnsigned or ErrBadSignature, or ErrMediaType
	// or ErrMalformed where not even the signed text can be found, or ErrUnsignedPing. Every secret
	// is tried, in constant time; an empty one never matches.
	Verify(r Request, secrets [][]byte) error
	// Parse returns what a verified delivery announces, one event for each ref
	// and never none: what nothing reacts to is an EventIgnored with its
	// reason. Errors wrap ErrMediaType or ErrMalformed.
	Parse(r Request) ([]state.Event, error)
}

var providers = map[string]Provider{
	"azure-devops":     azure{},
	"bitbucket":        bitbucket{},
	"bitbucket-server": bitbucketServer{},
	"forgejo":          forgejo{},
	"generic":          generic{},
	"gitea":            gitea{},
	"github":           github{},
	"gitlab":           gitlab{},
	"gogs":             gogs{},
}

// Lookup returns the provider of that name.
func Lookup(name string) (Provider, bool) {
	p, ok := providers[name]
	return p, ok
}

// Names returns the names of all providers, sorted.
func Names() []string {
	return slices.Sorted(maps.Keys(providers))
}
