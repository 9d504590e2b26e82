package check

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
	"deployer/state"
)

// book keeps issuances in memory, as deployer does on disk.
type book struct{ kept []state.Issuance }

func (b *book) Note(seen []state.Issuance) error { b.kept = append(b.kept, seen...); return nil }

func (b *book) Since(t time.Time) (out []state.Issuance, _ error) {
	for _, i := range b.kept {
		if !i.At.Before(t) {
			out = append(out, i)
		}
	}
	return out, nil
}

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func failureLine(ago time.Duration, host, problem string) string {
	return fmt.Sprintf("%s ERR Unable to obtain ACME certificate for domains error=\"error: one or more domains had a problem:\\n[%s] acme: error: 400 :: urn:ietf:params:acme:error:%s :: no\\n\" acmeCA=https://%s/directory domains=[\"%s\"] providerName=le.acme\n",
		noon.Add(-ago).Format(time.RFC3339), host, problem, letsEncrypt, host)
}

func issued(ago time.Duration, set string) state.Issuance {
	return state.Issuance{At: noon.Add(-ago), Host: set, Kind: state.CertificateIssued}
}

// proxied is a project with Traefik and a service that it routes.
func proxied(rule string) *project.Project {
	web := types.ServiceConfig{Name: "web"}
	web.Labels = types.Labels{"traefik.enable": "true", "traefik.http.routers.web.rule": rule, "traefik.http.routers.web.tls.certresolver": "le"}
	proxy := types.ServiceConfig{Name: "proxy"}
	proxy.Image = "docker.io/library/traefik:v3.6@sha256:abc"
	return projectOf(web, proxy)
}

func TestBudget(t *testing.T) {
	day := 24 * time.Hour
	var spent, fifty []state.Issuance
	for i := range 5 {
		spent = append(spent, issued(time.Duration(5-i)*time.Hour, "a.example.co.uk"))
	}
	for i := range 50 {
		fifty = append(fifty, issued(time.Duration(60-i)*time.Minute, fmt.Sprintf("h%d.example.co.uk", i)))
	}
	for _, tt := range []struct {
		name, log, storage, fields string
		kept                       []state.Issuance
		status                     state.StepStatus
		parts                      []string
	}{
		{"nothing yet", "", "", "", nil, state.StepPassed, []string{"will ask for a.example.co.uk (0 issued in 7 days)"}},
		{"five of the same", "", "", "", spent, state.StepFailed,
			// The first was five hours ago, and comes back after a fifth of a week.
			[]string{"5 of 5 certificates for exactly a.example.co.uk in 7 days: the CA takes the next at 2026-05-07 16:36 UTC", "push again after that"}},
		{"four of the same", "", "", "", spent[1:], state.StepWarned, []string{"4 of 5 certificates", "close to the limit"}},
		{"five long ago", "", "", "", []state.Issuance{issued(6*day, "a.example.co.uk"), issued(6*day+time.Hour, "a.example.co.uk")}, state.StepPassed, nil},
		{"of other names", "", "", "", []state.Issuance{issued(day, "a.example.co.uk,b.example.co.uk")}, state.StepPassed, []string{"(0 issued"}},
		{"fifty under the domain", "", "", "", fifty, state.StepFailed, []string{"50 of 50 certificates under example.co.uk in 7 days"}},
		{"failures in the log", strings.Repeat(failureLine(time.Minute, "a.example.co.uk", "dns"), 9), "", "", nil, state.StepFailed,
			[]string{"9 of 5 failed authorizations of a.example.co.uk in an hour: the CA takes the next at 2026-05-06 12:59 UTC"}},
		{"failures of another host", strings.Repeat(failureLine(time.Minute, "b.example.co.uk", "dns"), 9), "", "", nil, state.StepPassed, nil},
		{"failures that count for nothing", strings.Repeat(failureLine(time.Minute, "a.example.co.uk", "rateLimited"), 9), "", "", nil, state.StepPassed, nil},
		{"failures of two hours ago", strings.Repeat(failureLine(2*time.Hour, "a.example.co.uk", "dns"), 5), "", "", nil, state.StepPassed, nil},
		{"failures of the staging side", strings.ReplaceAll(strings.Repeat(failureLine(time.Minute, "a.example.co.uk", "dns"), 9), letsEncrypt, "acme-staging-v02.api.letsencrypt.org"),
			"", "", nil, state.StepPassed, nil},
		{"one is stored", "", "yes", "", spent, state.StepPassed, []string{"none will be asked for"}},
		{"one is stored for other names", "", "yes", "hosts: c.example.co.uk,", nil, state.StepPassed, []string{"will ask for c.example.co.uk"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			storage := ""
			if tt.storage != "" {
				pair, _ := certificate(t, leaf{names: []string{"a.example.co.uk"}, from: noon.Add(-day), until: noon.Add(60 * day)})
				storage = storageOf(t, "le", pair)
			}
			w := budgetWorld(tt.log, storage, &book{kept: tt.kept})
			want(t, run(t, "{check: acme_budget, "+tt.fields+"}", w), tt.status, tt.parts...)
		})
	}
}

func budgetWorld(log, storage string, kept Issuances) *World {
	proxy := with(running("proxy"), func(k *project.Container) {})
	return &World{
		Project: proxied("Host(`a.example.co.uk`) && PathPrefix(`/v2`)"), Issuances: kept, Now: func() time.Time { return noon },
		Engine: &fakeEngine{logs: log,
			containers: func() ([]project.Container, error) { return []project.Container{proxy}, nil },
			file: func(string, string) (project.ContainerFile, error) {
				return project.ContainerFile{Content: []byte(storage), Mode: 0o600}, nil
			}},
	}
}

// A recreated container begins a new log; what the old one said counts on.
func TestBudgetOutlivesTheContainer(t *testing.T) {
	kept := &book{}
	if err := Witness(t.Context(), budgetWorld(strings.Repeat(failureLine(time.Minute, "a.example.co.uk", "unauthorized"), 3), "", kept)); err != nil {
		t.Fatal(err)
	}
	w := budgetWorld(strings.Repeat(failureLine(30*time.Second, "a.example.co.uk", "unauthorized"), 3), "", kept)
	for range 2 { // looking twice counts nothing twice
		want(t, run(t, "{check: acme_budget}", w), state.StepFailed, "6 of 5 failed authorizations")
	}
}

// What the log and the storage tell of one certificate is one issuance.
func TestBudgetCountsACertificateOnce(t *testing.T) {
	pair, _ := certificate(t, leaf{names: []string{"a.example.co.uk"}, from: noon.Add(-2*time.Hour - 10*time.Second), until: noon.Add(-time.Minute)})
	storage := strings.Replace(storageOf(t, "le", []tls.Certificate{pair}...), `"Email"`, `"Registration": {"uri": "https://`+letsEncrypt+`/acme/acct/1"}, "Email"`, 1)
	log := noon.Add(-time.Hour).Format(time.RFC3339) + " DBG Certificates obtained for domains [a.example.co.uk] providerName=le.acme\n"
	want(t, run(t, "{check: acme_budget}", budgetWorld(log, storage, &book{})), state.StepPassed, "will ask for a.example.co.uk (1 issued in 7 days)")
}

func TestWhatRoutersAskFor(t *testing.T) {
	labels := map[string]string{
		"traefik.http.routers.a.rule":                        "Host(`A.example.org`, `b.example.org`) || Host(\"c.example.org\")",
		"traefik.http.routers.a.tls.certresolver":            "le",
		"traefik.http.routers.plain.rule":                    "Host(`plain.example.org`)",
		"traefik.http.routers.wild.rule":                     "HostRegexp(`.+`)",
		"traefik.http.routers.wild.tls.certresolver":         "dns",
		"traefik.http.routers.wild.tls.domains[0].main":      "example.org",
		"traefik.http.routers.wild.tls.domains[0].sans":      "*.example.org, x.example.org",
		"traefik.tcp.routers.db.rule":                        "HostSNI(`db.example.org`)",
		"traefik.tcp.routers.db.tls.certResolver":            "le",
		"traefik.tcp.routers.any.rule":                       "HostSNI(`*`)",
		"traefik.tcp.routers.any.tls.certresolver":           "le",
		"traefik.http.services.a.loadbalancer.server.port":   "5000",
		"traefik.http.middlewares.x.basicauth.users":         "ci:hash",
		"com.docker.compose.project":                         "shop",
		"traefik.http.routers.a.tls.domains[0].unknown.leaf": "x",
	}
	var got []string
	for _, c := range wantedOf("web", labels) {
		got = append(got, c.router+" "+c.resolver+" "+strings.Join(c.names, ","))
	}
	if s := strings.Join(got, "; "); s != "a le a.example.org,b.example.org,c.example.org; db le db.example.org; wild dns example.org,*.example.org,x.example.org" {
		t.Errorf("got %s", s)
	}
}
