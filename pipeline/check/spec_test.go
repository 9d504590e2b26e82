package check

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestSpecRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, tt := range []struct{ name, source, want string }{
		{"no name", "{url: x}", `the field "check" is missing`},
		{"not a table", "containers", "want a check such as {check: containers}"},
		{"unknown check", "{check: htp}", `unknown check "htp": did you mean "http"? Known are `},
		{"unknown check far from all", "{check: zzzzzzzzzz}", "known are "},
		{"unknown field", "{check: http, url: 'http://h', statuss: 200}", `unknown field "statuss": did you mean "status"?`},
		{"unknown common field", "{check: containers, severty: warn}", `did you mean "severity"?`},
		{"unknown nested field", "{check: http, url: 'http://h', body: {contain: x}}", `body: unknown field "contain": did you mean "contains"?`},
		{"unknown nested field beside a variable", "{check: http, url: '${U}', body: {contain: '${X}'}}", `unknown field "contain"`},
		{"missing field", "{check: http}", `the field "url" is missing`},
		{"missing nested field", "{check: http, url: 'http://h', basic: {username: u}}", `basic: the field "password" is missing`},
		{"empty value", "{check: http, url: }", "url: has no value"},
		{"given twice", "{check: http, url: 'http://h', url: 'http://i'}", "already defined"},
		{"list for a value", "{check: http, url: [a]}", "url: want a single value, not a list"},
		{"table for a list", "{check: http, url: 'http://h', status: {a: 1}}", "status: want a list, not a table"},
		{"value for a table", "{check: http, url: 'http://h', headers: x}", "headers: want a table, not a single value"},
		{"severity", "{check: env, severity: fatal}", `severity: "fatal" is neither error nor warn`},
		{"timeout", "{check: env, timeout: 0s}", "timeout: must be longer than nothing"},
		{"negative within", "{check: env, within: -1s}", `within: "-1s" is not a length of time`},
		{"length without a unit", "{check: env, within: 30}", `within: "30" is not a length of time`},
		{"scheme", "{check: http, url: 'ftp://h'}", "does not start with http:// or https://"},
		{"no host", "{check: http, url: 'http:///x'}", "names no host"},
		{"credentials in the URL", "{check: http, url: 'http://a:b@h'}", "write basic: {username, password}"},
		{"status", "{check: http, url: 'http://h', status: [2x]}", `status.0: "2x" is not a status`},
		{"method", "{check: http, url: 'http://h', method: FETCH}", "is not a method"},
		{"redirects", "{check: http, url: 'http://h', redirects: yes}", `"yes" is neither follow nor stop`},
		{"resolve", "{check: http, url: 'http://h', resolve: localhost}", `resolve.0: "localhost" is neither an address`},
		{"insecure", "{check: http, url: 'http://h', insecure: maybe}", `"maybe" is neither true nor false`},
		{"ca and insecure", "{check: http, url: 'https://h', insecure: true, ca: ca.pem}", "exclude each other"},
		{"regexp", "{check: http, url: 'http://h', body: {matches: '('}}", "is not a regular expression"},
		{"size", "{check: engine, min_free: much}", `min_free: "much" is not a size`},
		{"address", "{check: tcp, address: localhost}", `address: "localhost" is not host:port`},
		{"port", "{check: tcp, address: 'localhost:0'}", "is not host:port"},
		{"command line", "{check: exec, service: web, command: nginx -t}", "command: want a list such as [nginx, -t]"},
		{"command line in a variable", "{check: exec, service: web, command: '${CMD}'}", "command: want a list"},
		{"exit", "{check: exec, service: web, command: [a], exit: one}", `"one" is not a whole number`},
		{"broken variable", "{check: http, url: 'http://${HOST'}", "has no closing brace"},
		{"unknown form of variable", "{check: http, url: 'http://${HOST:?gone}'}", "write ${NAME} or ${NAME:-default}"},
		{"alias", "{check: http, url: &u 'http://h', host: *u}", "aliases are not supported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Spec
			err := yaml.UnmarshalWithOptions([]byte(tt.source), &s, yaml.Strict())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestSpecReportsEveryErrorWithItsPlace(t *testing.T) {
	var list struct{ Verify []Spec }
	err := yaml.UnmarshalWithOptions([]byte("verify:\n  - check: http\n    url: ftp://h\n    stats: 200\n"), &list, yaml.Strict())
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"[3:10] check http: url:", `[4:5] check http: unknown field "stats"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\ndoes not contain %q", err, part)
		}
	}
	var located yaml.Error
	if !errors.As(err, &located) || located.GetToken().Position.Line != 3 {
		t.Errorf("no yaml.Error of line 3 in %v", err)
	}
}

func TestFieldsOfEveryTypeTakeVariables(t *testing.T) {
	spec := parse(t, `{check: http, url: "https://${HOST}/", status: "${CODES}", insecure: "${INSECURE}", within: "${WAIT}",
		method: "${METHOD:-head}", body: {matches: "^${WORD}$"}, headers: {X-Token: "${TOKEN}"}, host: "a$$b"}`)
	c, shared, err := spec.build(environment(public("HOST", "h.example"), public("CODES", "200, 2xx 404"), public("INSECURE", "true"),
		public("WAIT", "90s"), public("WORD", "ok"), secret("TOKEN", "sesame-open")))
	if err != nil {
		t.Fatal(err)
	}
	h := c.(*httpCheck)
	if h.URL.plain != "https://h.example/" || anyOf(h.Status) != "200 or 2xx or 404" || !h.Insecure || h.Method != http.MethodHead ||
		shared.Within.String() != "1m30s" || h.Headers["X-Token"].plain != "sesame-open" || h.Host.plain != "a$b" {
		t.Errorf("got %+v %+v", h, shared)
	}
	if why := h.Body.unmet("ok"); why != "" {
		t.Errorf("the body %s", why)
	}
	if got := h.Headers["X-Token"].String(); got != redacted {
		t.Errorf("a secret prints as %q", got)
	}
}

func TestBuildNamesWhatIsNotDefined(t *testing.T) {
	spec := parse(t, `{check: tcp, address: "${HOST}:${PORT:-443}"}`)
	_, err := spec.Build(environment(public("OTHER", "x")))
	if err == nil || err.Error() != "address: HOST is not defined in .env.production" {
		t.Errorf("got %v", err)
	}
	if _, err := spec.Build(nil); err == nil {
		t.Error("built without an env")
	}
}

func TestBuildJudgesWhatVariablesBring(t *testing.T) {
	for _, source := range []string{
		`{check: http, url: "${X}"}`,
		`{check: http, url: "http://h", status: "${X}"}`,
		`{check: http, url: "http://h", insecure: "${X}"}`,
		`{check: tcp, address: "${X}"}`,
		`{check: env, within: "${X}"}`,
		`{check: engine, min_free: "${X}"}`,
		`{check: exec, service: a, command: [b], exit: "${X}"}`,
	} {
		_, err := parse(t, source).Build(environment(secret("X", "hunter2-secret")))
		if err == nil {
			t.Errorf("%s was built", source)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s shows a secret: %v", source, err)
		}
	}
}

func TestTitleShowsNoSecret(t *testing.T) {
	env := environment(public("HOST", "example.com"), secret("TOKEN", "abcdef123"))
	for _, tt := range []struct{ source, title, in string }{
		{`{check: http, url: "https://registry.${HOST}/v2/"}`, "http https://registry.${HOST}/v2/", "http https://registry.example.com/v2/"},
		{`{check: http, url: "https://h/?t=${TOKEN}"}`, "http https://h/?t=${TOKEN}", "http https://h/?t=[redacted]"},
		{`{check: http, url: "https://${TOKEN}:${TOKEN}@h/${MISSING}"}`, "http https://h/${MISSING}", "http https://h/${MISSING}"},
		{`{check: exec, service: web, command: [nginx, -t]}`, "exec web nginx -t", "exec web nginx -t"},
		{`{check: containers}`, "containers", "containers"},
		{`{check: tcp, name: "port of ${HOST}", address: "h:1"}`, "port of ${HOST}", "port of example.com"},
	} {
		s := parse(t, tt.source)
		if got := s.Title(); got != tt.title {
			t.Errorf("title %q, want %q", got, tt.title)
		}
		if got := s.TitleIn(env); got != tt.in {
			t.Errorf("title in env %q, want %q", got, tt.in)
		}
	}
}

func TestKeyIsOfWhatIsTested(t *testing.T) {
	key := func(source string) string { return parse(t, source).Key() }
	one := key(`{check: http, url: "http://${H}", status: [200, 401], body: {contains: a}}`)
	if got := key(`{within: 2m, name: other, severity: warn, check: http, body: {contains: [a]}, status: [200, 401], url: "http://${H}"}`); got == one {
		t.Error("a list and a value have one key")
	}
	if got := key("within: 2m\nname: other\nseverity: warn\ncheck: http\nbody: {contains: a}\nstatus:\n  - 200\n  - '401'\nurl: http://${H}"); got != one {
		t.Errorf("the same test has keys %s and %s", one, got)
	}
	if got := key(`{check: http, url: "http://${H}", status: [200], body: {contains: a}}`); got == one {
		t.Error("another status has the same key")
	}
}

func TestSpecIsWrittenAsItWasRead(t *testing.T) {
	got, err := json.Marshal(parse(t, `{check: http, within: 1m, url: "https://${HOST}", status: [200], body: {matches: [a, b]}}`))
	if err != nil || string(got) != `{"body":{"matches":["a","b"]},"check":"http","status":["200"],"url":"https://${HOST}","within":"1m"}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestDefaultsGiveWayToTheirConfiguration(t *testing.T) {
	list := []Spec{parse(t, "{check: engine, min_free: 5GiB}"), parse(t, "{check: tcp, address: 'h:1'}")}
	var got []string
	for _, s := range WithDefaults(list, "env", "engine") {
		got = append(got, s.Check())
	}
	if !slices.Equal(got, []string{"env", "engine", "tcp"}) {
		t.Errorf("got %v", got)
	}
	for _, name := range []string{"env", "placeholders", "engine", "containers"} {
		if err := Default(name).Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
