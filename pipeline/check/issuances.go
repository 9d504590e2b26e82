package check

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"deployer/pipeline/check/traefik"
	"deployer/project"
	"deployer/state"
)

// Issuances is what is kept of the certificates that were asked for, over the
// life of any container.
type Issuances interface {
	Note(seen []state.Issuance) error
	Since(t time.Time) ([]state.Issuance, error)
}

const (
	letsEncrypt   = "acme-v02.api.letsencrypt.org"
	backdated     = time.Hour // Let's Encrypt's certificates are valid from an hour before they are made
	sameIssuance  = 3 * time.Minute
	countedWithin = 7 * 24 * time.Hour
)

// Witness keeps what the Traefik services of the project tell of their
// certificates: their log goes when their container is made anew. Where there
// is none, nothing is done.
func Witness(ctx context.Context, w *World) error {
	if w.Engine == nil || w.Issuances == nil {
		return nil
	}
	var errs []error
	for _, service := range traefikServices(w.Project) {
		seen, _, err := witnessed(ctx, w, service, storagePath(w.Project, service), letsEncrypt)
		if err == nil && len(seen) > 0 {
			err = w.Issuances.Note(seen)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

var storageFlag = regexp.MustCompile(`(?i)^--certificatesresolvers\.[^.]+\.acme\.storage=(.+)$`)

// storagePath is where a Traefik service keeps its certificates: by its
// command, else where nearly all do.
func storagePath(p *project.Project, service string) string {
	for _, word := range p.Compose.Services[service].Command {
		if m := storageFlag.FindStringSubmatch(word); m != nil {
			return m[1]
		}
	}
	return acmeStorage
}

// witnessed is what the log and the storage of a Traefik service tell of
// requests to a CA, and the storage, which may be empty.
func witnessed(ctx context.Context, w *World, service, path, ca string) ([]state.Issuance, traefik.Storage, error) {
	list, err := w.Engine.Containers(ctx, w.Project.Name)
	if err != nil {
		return nil, nil, err
	}
	var seen []state.Issuance
	present := false
	for _, k := range list {
		if k.Service != service {
			continue
		}
		present = true
		log, err := w.Engine.Logs(ctx, k.ID, logTail, w.now().Add(-countedWithin))
		if err != nil {
			return nil, nil, err
		}
		for _, e := range traefik.ReadLog(log) {
			if e.CA == "" || strings.Contains(e.CA, ca) {
				seen = append(seen, ofEvent(e)...)
			}
		}
		number(seen)
	}
	if !present {
		return nil, nil, nil
	}
	file, err := w.Engine.ReadFile(ctx, w.Project.Name, service, path)
	if errors.Is(err, fs.ErrNotExist) {
		return seen, nil, nil
	} else if err != nil {
		return seen, nil, err
	}
	storage, err := traefik.ReadStorage(file.Content)
	if err != nil {
		return seen, nil, nil // its own check says what is wrong with it
	}
	for name, resolver := range storage {
		for _, c := range resolver.Certificates {
			if ofCA(c, resolver, ca) {
				seen = append(seen, state.Issuance{At: c.Chain[0].NotBefore.Add(backdated).UTC(), Host: traefik.Set(c.Chain[0].DNSNames), Resolver: name, Kind: state.CertificateIssued})
			}
		}
	}
	return seen, storage, nil
}

// number tells apart what happened in the same second, as a log writes it:
// Traefik fails several times in one.
func number(seen []state.Issuance) {
	type second struct {
		at   int64
		host string
		kind state.IssuanceKind
	}
	count := map[second]int{}
	for i := range seen {
		k := second{seen[i].At.Unix(), seen[i].Host, seen[i].Kind}
		seen[i].Nth = count[k]
		count[k]++
	}
}

// ofCA reports whether a stored certificate comes from the CA that is counted.
func ofCA(c traefik.Certificate, r traefik.Held, ca string) bool {
	if r.Account != "" {
		return strings.Contains(r.Account, ca)
	}
	organization := c.Chain[0].Issuer.Organization
	return ca == letsEncrypt && len(organization) > 0 && organization[0] == "Let's Encrypt"
}

// ofEvent is what a line of the log counts for: a certificate, or a failed
// authorization of each of its names that the line accuses.
func ofEvent(e traefik.Event) []state.Issuance {
	at := e.At.UTC()
	switch {
	case at.IsZero():
		return nil
	case e.Kind == traefik.Issued:
		return []state.Issuance{{At: at, Host: traefik.Set(e.Names), Resolver: e.Resolver, Kind: state.CertificateIssued}}
	case e.FailsAuthorization():
		var out []state.Issuance
		for _, host := range e.Names {
			// Of several names the message accuses those that failed.
			if len(e.Names) == 1 || strings.Contains(strings.ToLower(e.Message), "["+host+"] ") {
				out = append(out, state.Issuance{At: at, Host: host, Resolver: e.Resolver, Kind: state.CertificateFailed, Detail: e.Problem})
			}
		}
		return out
	}
	return nil
}
