package check

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"time"

	"deployer/pipeline/check/traefik"
)

// acmeCheck wants Traefik's storage to hold certificates for hosts, closed to
// others, renewed in time, and presented.
type acmeCheck struct {
	Service  text       `check:"service"`
	Storage  text       `check:"storage"`
	Resolver text       `check:"resolver"` // default: the only one
	Hosts    []text     `check:"hosts,required"`
	MinDays  int        `check:"min_days"`
	Served   bool       `check:"served"`
	Port     int        `check:"port"`
	Resolve  []override `check:"resolve"`
}

func newACME() Check {
	return &acmeCheck{Service: text{"traefik", "traefik"}, Storage: text{acmeStorage, acmeStorage}, Served: true, Port: 443}
}

const (
	acmeStorage = "/letsencrypt/acme.json"
	askTheCA    = "read Traefik's log for what the CA answered, and see that a router's labels name this host and the resolver; issuing takes up to two minutes (`within: 2m`)"
)

func (c *acmeCheck) validate() error {
	if c.Port < 1 || c.Port > 65535 {
		return fmt.Errorf("port: %d is not a port", c.Port)
	}
	return nil
}

func (c *acmeCheck) Run(ctx context.Context, w *World) Result {
	if w.Engine == nil || w.Project == nil {
		return skipped("there is no Engine or no project to look at")
	}
	file, err := w.Engine.ReadFile(ctx, w.Project.Name, c.Service.plain, c.Storage.plain)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failed(fmt.Sprintf("%s has no storage %s yet", c.Service, c.Storage),
			"see that acme.storage of the resolver in traefik.yml is this path, and that a router with TLS uses the resolver")
	case err != nil:
		return failed(fmt.Sprintf("the storage %s of %s cannot be read: %s", c.Storage, c.Service, reason(err)), "see that the service runs")
	case file.Mode&0o077 != 0:
		return failed(fmt.Sprintf("the storage %s has mode %04o, so others may read its keys and Traefik refuses it", c.Storage, file.Mode),
			fmt.Sprintf("chmod 600 %s on its volume or host folder, then restart %s", c.Storage, c.Service))
	}
	storage, err := traefik.ReadStorage(file.Content)
	if err != nil {
		return failed(fmt.Sprintf("the storage %s: %s", c.Storage, err), askTheCA)
	}
	resolver, err := c.pick(storage)
	if err != nil {
		return failed(err.Error(), "see the names of certificatesResolvers in traefik.yml, and `resolver` of the check")
	}
	return c.judge(ctx, w, resolver)
}

func (c *acmeCheck) pick(storage traefik.Storage) (traefik.Held, error) {
	if resolver, ok := storage[c.Resolver.plain]; ok {
		return resolver, nil
	}
	names := strings.Join(sortedKeys(storage), ", ")
	if c.Resolver.plain != "" {
		return traefik.Held{}, fmt.Errorf("the storage %s has no resolver %s, it has %s", c.Storage, c.Resolver, names)
	}
	if len(storage) != 1 {
		return traefik.Held{}, fmt.Errorf("the storage %s has the resolvers %s: which one must be said", c.Storage, names)
	}
	return storage[names], nil
}

func (c *acmeCheck) judge(ctx context.Context, w *World, resolver traefik.Held) Result {
	var r report
	var good []string
	var first *x509.Certificate // that ends
	refused := false
	for _, host := range c.Hosts {
		stored, ok := resolver.For(host.plain)
		if !ok {
			r.fail(fmt.Sprintf("no certificate for %s is stored", host), askTheCA)
			refused = refused || w.refused(ctx, host.plain)
			continue
		}
		if first == nil || stored.Chain[0].NotAfter.Before(first.NotAfter) {
			first = stored.Chain[0]
		}
		about := "stored: " + aboutCertificate(stored.Chain[0], w.now())
		if issuer := stagingIssuer(stored.Chain); issuer != "" {
			r.fail(fmt.Sprintf("%s; %q is a staging issuer", about, excerpt(issuer, 100)), stagingHint)
			continue
		}
		if why := c.late(stored, w.now()); why != "" {
			r.fail(about+", "+why, "read Traefik's log for what the CA answers to the renewal; restarting Traefik makes it try again")
			continue
		}
		if c.Served {
			c.compare(ctx, w, host, stored, &r)
		}
		good = append(good, about)
	}
	verdict := r.result(strings.Join(good, "; "))
	verdict.final = refused
	if first != nil {
		verdict.Measured = measureDays(first, w.now())
	}
	return verdict
}

// compare looks whether the host presents what is stored.
func (c *acmeCheck) compare(ctx context.Context, w *World, host text, stored traefik.Certificate, r *report) {
	address := net.JoinHostPort(host.plain, strconv.Itoa(c.Port))
	served, err := w.served(ctx, connectTo(c.Resolve, address), host.plain)
	switch {
	case err != nil:
		what, _ := explain(err, 0)
		r.warn(fmt.Sprintf("what %s presents cannot be seen from here: %s", host, what),
			"`resolve` says where to connect in place of DNS; `served: false` leaves this out")
	case isTraefikDefault(served[0]):
		r.fail(fmt.Sprintf("%s presents Traefik's default certificate, though one is stored", host),
			"see that the router's rule names this host and that its labels set tls.certresolver, then restart Traefik")
	case !bytes.Equal(served[0].Raw, stored.Chain[0].Raw):
		r.fail(fmt.Sprintf("%s presents another one than is stored: %s", host, aboutCertificate(served[0], w.now())),
			"see that the name points to this Traefik and to nothing in front of it; restart Traefik if it does")
	}
}

// late says that a certificate should have been renewed.
func (c *acmeCheck) late(stored traefik.Certificate, now time.Time) string {
	leaf := stored.Chain[0]
	left := leaf.NotAfter.Sub(now)
	switch period := renewal(leaf.NotAfter.Sub(leaf.NotBefore)); {
	case left <= 0:
		return "over, and not renewed"
	case left < period:
		return "its renewal is overdue: Traefik should have renewed it by " + leaf.NotAfter.Add(-period).UTC().Format(time.DateTime)
	case left < time.Duration(c.MinDays)*24*time.Hour:
		return fmt.Sprintf("want %d days", c.MinDays)
	}
	return ""
}

// renewal is how long before its end a certificate of such a life is renewed
// at the latest: a third of it, or when Traefik begins to, whichever is later,
// and then the pause between two of Traefik's looks.
func renewal(life time.Duration) time.Duration {
	const hour, day = time.Hour, 24 * time.Hour
	round := life + time.Minute // real ones are a second short of their round number
	begins, pause := 20*time.Minute, time.Minute
	switch {
	case round >= 265*day:
		begins, pause = 120*day, 7*day
	case round >= 90*day:
		begins, pause = 30*day, day
	case round >= 30*day:
		begins, pause = 10*day, 12*hour
	case round >= 7*day:
		begins, pause = day, hour
	case round >= day:
		begins, pause = 6*hour, 10*time.Minute
	}
	period := min(begins, life/3)
	return period - min(pause, period/2)
}
