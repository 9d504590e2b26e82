package traefik

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const file = `
entryPoints:
  web:
    address: ":80"
    http: {redirections: {entryPoint: {to: websecure}}}
  websecure: {address: "0.0.0.0:443", http: {tls: {certResolver: le}, middlewares: [limit@file]}}
  dns: {address: ":53/udp"}
providers:
  docker: {exposedByDefault: false, defaultRule: "Host(` + "`x`" + `)"}
  file: {directory: /dynamic}
certificatesResolvers:
  le:
    acme:
      tlsChallenge: true
      email: "a@b.org"
      storage: "/letsencrypt/acme.json"
      caServer: https://acme-staging-v02.api.letsencrypt.org/directory
  other: {acme: {httpChallenge: {entryPoint: web}}}
serversTransport: {insecureSkipVerify: true}
pilot: {token: x}
http: {}
`

var want = &Static{
	EntryPoints: map[string]EntryPoint{
		"web":       {Address: ":80", RedirectTo: "websecure"},
		"websecure": {Address: "0.0.0.0:443", TLS: true, Resolver: "le", Middlewares: []string{"limit@file"}},
		"dns":       {Address: ":53/udp"},
	},
	Resolvers: map[string]Resolver{
		"le": {ACME: true, Email: "a@b.org", Storage: "/letsencrypt/acme.json", Challenges: []Challenge{TLSChallenge},
			CAServer: "https://acme-staging-v02.api.letsencrypt.org/directory"},
		"other": {ACME: true, Storage: "acme.json", Challenges: []Challenge{HTTPChallenge}, EntryPoint: "web"},
	},
	Providers: []string{"docker", "file"}, Unknown: []string{"http"}, HideByDefault: true, DefaultRule: "Host(`x`)",
	SkipVerify: true, Renamed: []Rename{{"pilot", "nothing: it was dropped"}},
}

func TestTheStaticConfigurationIsTheSameFromFileFlagsAndEnvironment(t *testing.T) {
	fromFile, err := ReadFile([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"traefik", "--entryPoints.web.address=:80", "--entrypoints.web.http.redirections.entrypoint.to=websecure",
		"--entrypoints.websecure.address", "0.0.0.0:443", "--entrypoints.websecure.http.tls.certresolver=le",
		"-entrypoints.websecure.http.middlewares=limit@file", "--entrypoints.dns.address=:53/udp",
		"--providers.docker", "--providers.docker.exposedbydefault=false", "--providers.docker.defaultrule=Host(`x`)",
		"--providers.file.directory=/dynamic", "--certificatesresolvers.le.acme.tlschallenge",
		"--certificatesresolvers.le.acme.email=a@b.org", "--certificatesresolvers.le.acme.storage=/letsencrypt/acme.json",
		"--certificatesresolvers.le.acme.caserver=https://acme-staging-v02.api.letsencrypt.org/directory",
		"--certificatesresolvers.other.acme.httpchallenge.entrypoint=web",
		"--serverstransport.insecureskipverify=true", "--pilot.token=x", "--http=x", "--configFile=/etc/t.yml",
	}
	fromArgs, name := ReadArgs(args)
	if name != "/etc/t.yml" {
		t.Errorf("configuration file %q", name)
	}
	fromEnv := ReadEnv(map[string]string{
		"TRAEFIK_ENTRYPOINTS_WEB_ADDRESS": ":80", "TRAEFIK_ENTRYPOINTS_WEB_HTTP_REDIRECTIONS_ENTRYPOINT_TO": "websecure",
		"TRAEFIK_ENTRYPOINTS_WEBSECURE_ADDRESS": "0.0.0.0:443", "TRAEFIK_ENTRYPOINTS_WEBSECURE_HTTP_TLS_CERTRESOLVER": "le",
		"TRAEFIK_ENTRYPOINTS_WEBSECURE_HTTP_MIDDLEWARES": "limit@file", "TRAEFIK_ENTRYPOINTS_DNS_ADDRESS": ":53/udp",
		"TRAEFIK_PROVIDERS_DOCKER_EXPOSEDBYDEFAULT": "false", "TRAEFIK_PROVIDERS_DOCKER": "true", "TRAEFIK_PROVIDERS_DOCKER_DEFAULTRULE": "Host(`x`)",
		"TRAEFIK_PROVIDERS_FILE_DIRECTORY": "/dynamic", "TRAEFIK_CERTIFICATESRESOLVERS_LE_ACME_TLSCHALLENGE": "true",
		"TRAEFIK_CERTIFICATESRESOLVERS_LE_ACME_EMAIL": "a@b.org", "TRAEFIK_CERTIFICATESRESOLVERS_LE_ACME_STORAGE": "/letsencrypt/acme.json",
		"TRAEFIK_CERTIFICATESRESOLVERS_LE_ACME_CASERVER":                    "https://acme-staging-v02.api.letsencrypt.org/directory",
		"TRAEFIK_CERTIFICATESRESOLVERS_OTHER_ACME_HTTPCHALLENGE_ENTRYPOINT": "web",
		"TRAEFIK_SERVERSTRANSPORT_INSECURESKIPVERIFY":                       "true", "TRAEFIK_PILOT_TOKEN": "x", "TRAEFIK_HTTP": "x", "PATH": "/bin",
	})
	for from, got := range map[string]*Static{"file": fromFile, "args": fromArgs, "env": fromEnv} {
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Static{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", from, diff)
		}
	}
	if _, ok := fromFile.Resolver("LE"); ok {
		t.Error("in a file the case of a name counts")
	}
	if _, ok := fromArgs.Resolver("LE"); !ok {
		t.Error("on the command line it does not")
	}
	if s, _ := ReadArgs([]string{"--configfile", "/x"}); s != nil || ReadEnv(map[string]string{"HOME": "/"}) != nil {
		t.Error("a configuration was made of nothing")
	}
}

func TestAFileThatIsNoConfiguration(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "- a\n", "a: [", "just words"} {
		if s, err := ReadFile([]byte(text)); err == nil {
			t.Errorf("%q: %+v", text, s)
		}
	}
}

func TestLabels(t *testing.T) {
	got := ReadLabels(map[string]string{
		"traefik.enable":                                         "true",
		"traefik.http.routers.Reg.rule":                          "Host(`Registry.example.org`) && PathPrefix(`/v2`) || !Host(`no.org`) || HostRegexp(`x`)",
		"traefik.http.routers.Reg.entrypoints":                   "websecure, web",
		"traefik.http.routers.Reg.middlewares":                   "cors,allow@docker",
		"traefik.http.routers.Reg.tls":                           "true",
		"traefik.http.routers.Reg.tls.certResolver":              "le",
		"traefik.http.routers.dev.rule":                          "Host(`a.org`, `b.org`)",
		"traefik.http.routers.dev.tls":                           "false",
		"traefik.http.routers.dev.tls.certresolver":              "le",
		"traefik.http.routers.wild.tls.certresolver":             "dns",
		"traefik.http.routers.wild.tls.domains[0].main":          "b.org",
		"traefik.http.routers.wild.tls.domains[0].sans":          "*.b.org,c.org",
		"traefik.tcp.routers.db.rule":                            "HostSNI(`*`)",
		"traefik.http.middlewares.allow.ipWhiteList.sourceRange": "10.0.0.0/8, 192.168.1.7",
		"traefik.http.services.reg.loadbalancer.server.port":     "5000",
		"com.example.traefik.http.routers.x.rule":                "Host(`x`)",
	})
	want := Labels{
		Enable: "true",
		Routers: []Router{
			{Name: "Reg", Rule: "Host(`Registry.example.org`) && PathPrefix(`/v2`) || !Host(`no.org`) || HostRegexp(`x`)",
				EntryPoints: []string{"websecure", "web"}, Middlewares: []string{"cors", "allow@docker"}, TLS: true, Resolver: "le"},
			{Name: "dev", Rule: "Host(`a.org`, `b.org`)"},
			{Name: "wild", TLS: true, Resolver: "dns", Domains: []string{"b.org", "*.b.org", "c.org"}},
			{Name: "db", TCP: true, Rule: "HostSNI(`*`)"},
		},
		Middlewares: []Middleware{{Name: "allow", Kind: "ipwhitelist", Ranges: []string{"10.0.0.0/8", "192.168.1.7"}}},
		Services:    []string{"reg"},
		Renamed: []Rename{
			{"middlewares.allow.ipwhitelist", "middlewares.allow.ipallowlist"},
			{"Host(`a`, `b`) in the rule of dev", "Host(`a`) || Host(`b`)"},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, names := range [][]string{{"registry.example.org"}, {"a.org", "b.org"}, {"b.org", "*.b.org", "c.org"}, nil} {
		if diff := cmp.Diff(names, got.Routers[i].Names(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", got.Routers[i].Name, diff)
		}
	}
}
