package check

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"deployer/project"
	"deployer/state"
)

// storageOf writes acme.json as Traefik does, with a certificate per pair.
func storageOf(t *testing.T, resolver string, pairs ...tls.Certificate) string {
	t.Helper()
	list := ""
	for i, pair := range pairs {
		c, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			list += ","
		}
		text := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
		list += fmt.Sprintf(`{"domain": {"main": %q}, "certificate": %q, "key": "aHVzaC1odXNo", "Store": "default"}`, c.DNSNames[0], text)
	}
	return fmt.Sprintf(`{%q: {"Account": {"Email": "ops@example.org"}, "Certificates": [%s]}}`, resolver, list)
}

// storing is a World whose Traefik has a storage.
func storing(text string, mode fs.FileMode, err error) *World {
	return &World{Project: projectOf(), Engine: &fakeEngine{file: func(service, path string) (project.ContainerFile, error) {
		if service != "traefik" || path != "/letsencrypt/acme.json" {
			return project.ContainerFile{}, errors.New("asked for " + service + path)
		}
		return project.ContainerFile{Content: []byte(text), Mode: mode}, err
	}}}
}

func TestACMEJudgesTheStorage(t *testing.T) {
	days := func(n int) time.Time { return time.Now().Add(time.Duration(n) * 24 * time.Hour) }
	pair := func(l leaf) tls.Certificate { c, _ := certificate(t, l); return c }
	good := pair(leaf{commonName: "Own CA", names: []string{"a.example.org"}, until: days(80)})
	for _, tt := range []struct {
		name, text string
		mode       fs.FileMode
		err        error
		fields     string
		status     state.StepStatus
		parts      []string
	}{
		{"good", storageOf(t, "le", good), 0o600, nil, "", state.StepPassed, []string{"stored: a certificate of Own CA for a.example.org until "}},
		{"no file", "", 0, fs.ErrNotExist, "", state.StepFailed, []string{"has no storage /letsencrypt/acme.json yet", "acme.storage"}},
		{"no container", "", 0, errors.New("service traefik has no container"), "", state.StepFailed, []string{"cannot be read: service traefik has no container"}},
		{"open to others", storageOf(t, "le", good), 0o644, nil, "", state.StepFailed, []string{"mode 0644", "chmod 600"}},
		{"empty", "", 0o600, nil, "", state.StepFailed, []string{"is empty", "within: 2m"}},
		{"no JSON", "{hush-hush", 0o600, nil, "", state.StepFailed, []string{"not the JSON"}},
		{"another resolver", storageOf(t, "le", good), 0o600, nil, "resolver: own,", state.StepFailed, []string{"has no resolver own, it has le"}},
		{"of another host", storageOf(t, "le", pair(leaf{names: []string{"b.example.org"}, until: days(80)})), 0o600, nil, "", state.StepFailed,
			[]string{"no certificate for a.example.org is stored"}},
		{"staging", storageOf(t, "le", pair(leaf{commonName: "(STAGING) E5", names: []string{"a.example.org"}, until: days(80)})), 0o600, nil, "", state.StepFailed,
			[]string{"staging issuer", "caServer"}},
		{"overdue", storageOf(t, "le", pair(leaf{names: []string{"a.example.org"}, from: days(-82), until: days(8)})), 0o600, nil, "", state.StepFailed,
			[]string{"its renewal is overdue: Traefik should have renewed it by"}},
		{"overdue, and renewed", storageOf(t, "le", pair(leaf{names: []string{"a.example.org"}, from: days(-82), until: days(8)}), good), 0o600, nil, "", state.StepPassed, nil},
		{"over", storageOf(t, "le", pair(leaf{names: []string{"a.example.org"}, until: days(-1)})), 0o600, nil, "", state.StepFailed, []string{"over, and not renewed"}},
		{"too few days", storageOf(t, "le", good), 0o600, nil, "min_days: 85,", state.StepFailed, []string{"want 85 days"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, "{check: acme, "+tt.fields+" hosts: a.example.org, served: false}", storing(tt.text, tt.mode, tt.err))
			want(t, r, tt.status, tt.parts...)
			never(t, r, "hush")
		})
	}
}

func TestACMEComparesWhatIsPresented(t *testing.T) {
	until := time.Now().Add(80 * 24 * time.Hour)
	stored, _ := certificate(t, leaf{commonName: "Own CA", until: until})
	other, _ := certificate(t, leaf{commonName: "Other CA", until: until})
	stand, _ := certificate(t, leaf{commonName: "TRAEFIK DEFAULT CERT", names: []string{"x.traefik.default"}})
	w := storing(storageOf(t, "le", stored), 0o600, nil)
	ask := func(port string) Result {
		return run(t, replacePort("{check: acme, hosts: [localhost], port: PORT, resolve: 127.0.0.1}", port), w)
	}
	want(t, ask(tlsServing(t, stored)), state.StepPassed, "a certificate of Own CA for localhost")
	want(t, ask(tlsServing(t, other)), state.StepFailed, "localhost presents another one than is stored: a certificate of Other CA")
	want(t, ask(tlsServing(t, stand)), state.StepFailed, "presents Traefik's default certificate, though one is stored")
	shut := closed(t)
	want(t, ask(shut[len("127.0.0.1:"):]), state.StepWarned, "cannot be seen from here: connection refused", "served: false")
}

func TestWhenARenewalIsOverdue(t *testing.T) {
	day := 24 * time.Hour
	for life, overdue := range map[time.Duration]time.Duration{
		398*day - time.Second: 113 * day,
		90*day - time.Second:  29 * day,
		160 * time.Hour:       6*time.Hour - 10*time.Minute,
		7 * day:               23 * time.Hour,
		10 * time.Minute:      140 * time.Second,
		45*day - time.Second:  10*day - 12*time.Hour,
		47 * time.Hour:        6*time.Hour - 10*time.Minute,
	} {
		if got := renewal(life); (got - overdue).Abs() > time.Minute {
			t.Errorf("a life of %s: overdue %s before its end, want %s", life, got, overdue)
		}
	}
}
