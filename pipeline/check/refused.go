package check

import (
	"context"
	"slices"
	"strings"

	"deployer/pipeline/check/traefik"
)

// enough failures in a row spend what Let's Encrypt allows in an hour: more
// tries would only put off the next one that can succeed.
const enough = 5

// forGood are the answers that no further try changes.
var forGood = []string{"rateLimited", "rejectedIdentifier", "invalidContact", "unsupportedContact", "caa",
	"accountDoesNotExist", "externalAccountRequired", "userActionRequired", traefik.Permissions, traefik.NoResolver}

// refused reports whether Traefik's log since the deploy says that there will
// be no certificate for a host, however long one waits.
func (w *World) refused(ctx context.Context, host string) bool {
	if w.Engine == nil || w.Since.IsZero() {
		return false
	}
	services := traefikServices(w.Project)
	if len(services) == 0 {
		return false
	}
	list, err := w.Engine.Containers(ctx, w.Project.Name)
	if err != nil {
		return false
	}
	for _, k := range list {
		if !slices.Contains(services, k.Service) {
			continue
		}
		log, err := w.Engine.Logs(ctx, k.ID, logTail, w.Since)
		if err == nil && refusedFor(traefik.ReadLog(log), strings.ToLower(host)) {
			return true
		}
	}
	return false
}

func refusedFor(events []traefik.Event, host string) bool {
	failures, final := 0, false
	for _, e := range events {
		switch {
		case !slices.Contains(e.Names, host):
		case e.Kind == traefik.Issued:
			failures, final = 0, false
		default:
			failures++
			final = slices.Contains(forGood, e.Problem)
		}
	}
	return final || failures >= enough
}
