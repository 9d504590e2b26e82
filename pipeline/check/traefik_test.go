package check

import (
	"strings"
	"testing"

	"deployer/state"
)

const traefikFile = `
entryPoints:
  web: {address: ":80"}
  websecure: {address: ":443"}
providers: {docker: {exposedByDefault: false}}
certificatesResolvers:
  le:
    acme:
      tlsChallenge: {}
      email: ops@acme-widgets.fr
      storage: /letsencrypt/acme.json
`

const traefikCompose = `
services:
  proxy:
    image: traefik:v3.6
    ports: ["80:80", "443:443"]
    volumes:
      - ./server/traefik.yml:/etc/traefik/traefik.yml:ro
      - letsencrypt:/letsencrypt
  registry:
    image: registry:2
    labels:
      traefik.enable: "true"
      traefik.http.routers.registry.rule: Host(` + "`registry.acme-widgets.fr`" + `)
      traefik.http.routers.registry.entrypoints: websecure
      traefik.http.routers.registry.tls: "true"
      traefik.http.routers.registry.tls.certresolver: le
      traefik.http.routers.registry.middlewares: inside
      traefik.http.middlewares.inside.ipallowlist.sourcerange: 10.0.0.0/8, 192.0.2.1
volumes: {letsencrypt: {}}
`

// both are the two files after replacements, old and new in turn.
func both(replace ...string) committedFiles {
	r := strings.NewReplacer(replace...)
	return committedFiles{"reg/compose.yaml": r.Replace(traefikCompose), "reg/server/traefik.yml": r.Replace(traefikFile)}
}

func TestTraefikAgreesWithItsLabels(t *testing.T) {
	want(t, run(t, "{check: traefik}", both().world(t, "reg", nil)), state.StepPassed, "./server/traefik.yml: 2 entry points, 1 resolvers, and 1 routers")
	for name, tt := range map[string]struct {
		replace []string
		status  state.StepStatus
		parts   []string
	}{
		"no YAML":                   {[]string{"address: \":80\"}", "address: \":80\""}, state.StepFailed, []string{"does not parse", "would not start"}},
		"unknown key":               {[]string{"providers:", "provider: x\nproviders:"}, state.StepFailed, []string{`Traefik knows no "provider"`}},
		"no port":                   {[]string{`{address: ":443"}`, `{address: "443x"}`}, state.StepFailed, []string{`"443x", which has no port`}},
		"dynamic in static":         {[]string{"providers:", "http: {}\nproviders:"}, state.StepFailed, []string{`knows no "http"`, "dynamic configuration"}},
		"no such resolver":          {[]string{"certresolver: le", "certresolver: letsencrypt"}, state.StepFailed, []string{`certificate resolver "letsencrypt"`, "the resolvers are le"}},
		"example e-mail":            {[]string{"ops@acme-widgets.fr", "admin@example.com"}, state.StepFailed, []string{`"admin@example.com" is a placeholder`}},
		"the list's e-mail":         {[]string{"ops@acme-widgets.fr", "votre-email@mondomaine.com"}, state.StepFailed, []string{"is a placeholder"}},
		"e-mail left":               {[]string{"ops@acme-widgets.fr", "CHANGE_ME@acme.fr"}, state.StepFailed, []string{"is a placeholder"}},
		"e-mail without domain":     {[]string{"ops@acme-widgets.fr", "ops@host"}, state.StepFailed, []string{"has no domain"}},
		"e-mail is a variable":      {[]string{"ops@acme-widgets.fr", "$${ACME_EMAIL}"}, state.StepFailed, []string{"is a variable"}},
		"no e-mail":                 {[]string{"      email: ops@acme-widgets.fr\n", ""}, state.StepFailed, []string{"the e-mail is missing"}},
		"no challenge":              {[]string{"      tlsChallenge: {}\n", ""}, state.StepFailed, []string{"no challenge is set"}},
		"challenge without point":   {[]string{"tlsChallenge: {}", "httpChallenge: {entryPoint: http}"}, state.StepFailed, []string{`httpChallenge names the entry point "http"`}},
		"port not published":        {[]string{", \"443:443\"", ""}, state.StepWarned, []string{"the CA asks at port 443"}},
		"storage in the layer":      {[]string{"storage: /letsencrypt", "storage: /acme"}, state.StepFailed, []string{"the container's own layer"}},
		"storage in the commit":     {[]string{"storage: /letsencrypt/acme.json", "storage: /etc/traefik/traefik.yml", "traefik.yml:ro", "traefik.yml"}, state.StepFailed, []string{"which the commit tracks"}},
		"storage read-only":         {[]string{"- letsencrypt:/letsencrypt", "- letsencrypt:/letsencrypt:ro"}, state.StepFailed, []string{"read-only"}},
		"storage without a name":    {[]string{"- letsencrypt:/letsencrypt", "- /letsencrypt"}, state.StepFailed, []string{"volume without a name"}},
		"storage is data":           {[]string{"- letsencrypt:/letsencrypt", "- ./data:/letsencrypt"}, state.StepPassed, nil},
		"storage would be a folder": {[]string{"- letsencrypt:/letsencrypt", "- ./acme.json:/letsencrypt/acme.json"}, state.StepFailed, []string{"makes a folder of"}},
		"staging":                   {[]string{"tlsChallenge: {}", "tlsChallenge: {}\n      caServer: https://acme-staging-v02.api.letsencrypt.org/directory"}, state.StepWarned, []string{"staging"}},
		"no such entry point":       {[]string{"entrypoints: websecure", "entrypoints: https"}, state.StepFailed, []string{`entry point "https"`, "web, websecure"}},
		"no such middleware":        {[]string{"middlewares: inside", "middlewares: inside,cors"}, state.StepFailed, []string{`middleware "cors"`}},
		"middleware of no provider": {[]string{"middlewares: inside", "middlewares: cors@file"}, state.StepFailed, []string{`no provider "file"`}},
		"middleware of a file":      {[]string{"middlewares: inside", "middlewares: cors@file,dashboard@internal", "providers: {", "providers: {file: {directory: /x}, "}, state.StepPassed, nil},
		"no range":                  {[]string{"10.0.0.0/8, 192.0.2.1", "10.0.0.0/33"}, state.StepFailed, []string{`"10.0.0.0/33" is neither`}},
		"no range at all":           {[]string{"10.0.0.0/8, 192.0.2.1", "''"}, state.StepFailed, []string{"has no address"}},
		"everybody":                 {[]string{"10.0.0.0/8, 192.0.2.1", "10.0.0.0/8, 0.0.0.0/0"}, state.StepWarned, []string{"lets everybody in"}},
		"everybody on purpose":      {[]string{"10.0.0.0/8, 192.0.2.1", "0.0.0.0/0, ::/0"}, state.StepPassed, nil},
		"v3 name":                   {[]string{"ipallowlist", "ipwhitelist"}, state.StepFailed, []string{"ipwhitelist", "ipallowlist"}},
		"v2 takes it":               {[]string{"ipallowlist", "ipwhitelist", "traefik:v3.6", "traefik:v2.11"}, state.StepWarned, []string{"ipwhitelist", "ipallowlist"}},
		"v3 rule":                   {[]string{"Host(`registry", "Host(`a.acme.fr`, `registry"}, state.StepFailed, []string{"Host(`a`) || Host(`b`)"}},
		"empty host":                {[]string{"registry.acme-widgets.fr", ""}, state.StepFailed, []string{"empty host"}},
		"local host":                {[]string{"registry.acme-widgets.fr", "registry.localhost"}, state.StepFailed, []string{"no CA gives"}},
		"no host":                   {[]string{"Host(`registry.acme-widgets.fr`)", "PathPrefix(`/`)"}, state.StepFailed, []string{"names a host"}},
		"not enabled":               {[]string{"      traefik.enable: \"true\"\n", ""}, state.StepWarned, []string{"traefik.enable=true"}},
		"TLS from nowhere":          {[]string{"      traefik.http.routers.registry.tls.certresolver: le\n", ""}, state.StepWarned, []string{"neither a resolver nor a file provider"}},
		"dev without TLS":           {[]string{"registry.tls: \"true\"", "registry.tls: \"false\"", "certresolver: le", "certresolver: ''"}, state.StepPassed, nil},
		"no file mounted":           {[]string{"      - ./server/traefik.yml:/etc/traefik/traefik.yml:ro\n", ""}, state.StepWarned, []string{"not proven"}},
		"options beside the file":   {[]string{"image: traefik:v3.6", "image: traefik:v3.6\n    command: [--api.insecure=true]"}, state.StepWarned, []string{"Traefik ignores"}},
		"file that is not there":    {[]string{"image: traefik:v3.6", "image: traefik:v3.6\n    command: [--configfile=/other.yml]"}, state.StepFailed, []string{"/other.yml"}},
		"no Traefik":                {[]string{"traefik:v3.6", "caddy:2"}, state.StepFailed, []string{"no service has an image called traefik"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := both(tt.replace...).world(t, "reg", nil)
			r := run(t, "{check: traefik}", w)
			want(t, r, tt.status, tt.parts...)
		})
	}
}

func TestTraefikOnTheCommandLineAndElsewhere(t *testing.T) {
	c := both("      - ./server/traefik.yml:/etc/traefik/traefik.yml:ro\n", "", "image: traefik:v3.6", `image: traefik:v3.6
    command:
      - --entrypoints.websecure.address=:443
      - --certificatesresolvers.le.acme.tlschallenge=true
      - --certificatesresolvers.le.acme.email=ops@acme-widgets.fr
      - --certificatesresolvers.le.acme.storage=/letsencrypt/acme.json`)
	want(t, run(t, "{check: traefik}", c.world(t, "reg", nil)), state.StepPassed, "the command line of proxy: 1 entry points")

	c = both("traefik:v3.6", "mine:1")
	want(t, run(t, "{check: traefik, service: proxy}", c.world(t, "reg", nil)), state.StepPassed)
	want(t, run(t, "{check: traefik, service: prxy}", c.world(t, "reg", nil)), state.StepFailed, "the services are proxy, registry")
	want(t, run(t, "{check: traefik, file: server/traefik.yml}", c.world(t, "reg", nil)), state.StepPassed, "server/traefik.yml")
	want(t, run(t, "{check: traefik, file: gone.yml}", c.world(t, "reg", nil)), state.StepFailed, "gone.yml")
	want(t, run(t, "{check: traefik}", &World{}), state.StepSkipped)

	c = both("middlewares: inside", "middlewares: theirs", "certresolver: le", "certresolver: other")
	want(t, run(t, "{check: traefik}", c.world(t, "reg", nil)), state.StepFailed, "theirs", "other")
	want(t, run(t, "{check: traefik, known: [theirs, other]}", c.world(t, "reg", nil)), state.StepPassed)
}

func TestTraefikNamesEveryProblemAtOnce(t *testing.T) {
	c := both("certresolver: le", "certresolver: no", "entrypoints: websecure", "entrypoints: https", "192.0.2.1", "nowhere")
	want(t, run(t, "{check: traefik}", c.world(t, "reg", nil)), state.StepFailed, `"no"`, `"https"`, `"nowhere"`)
}
