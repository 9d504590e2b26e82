package traefik

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Kind is what an Event tells of.
type Kind string

// What the log tells about certificates.
const (
	Failed Kind = "failed" // a certificate was asked for, and not given
	Issued Kind = "issued"
	Broken Kind = "broken" // a certificate cannot even be asked for
)

// An Event is one line of Traefik's log about certificates.
type Event struct {
	Kind     Kind
	At       time.Time // the zero time where the line has none
	Names    []string
	Resolver string
	Router   string
	CA       string // the URL of its directory
	Problem  string // the CA's word, without its prefix: rateLimited; or one of this package's
	Message  string // the line without its fields, on one line
}

// ReadLog returns the events of a log, text or JSON, in its order. All other
// lines are left out.
func ReadLog(log string) []Event {
	var events []Event
	for line := range strings.Lines(log) {
		if e, ok := readEvent(readLine(line)); ok {
			events = append(events, e)
		}
	}
	return events
}

// A logLine is one line, in whatever form it was written.
type logLine struct {
	at     time.Time
	text   string // the message, and the error behind it
	fields map[string]string
}

var (
	colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)
	// console is the text form of version 3: the time, a level, the source in
	// debug builds, the message, and then the fields.
	console = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\S+) (?:TRC|DBG|INF|WRN|ERR|FTL|PNC) (?:\S+\.go:\d+ > )?(.*)$`)
	field   = regexp.MustCompile(`(?:^|\s)((?:ACME )?[A-Za-z][\w.]*)=("(?:[^"\\]|\\.)*"|\[[^\]]*\]|\S*)`)
)

func readLine(line string) logLine {
	line = strings.TrimSpace(colours.ReplaceAllString(line, ""))
	if strings.HasPrefix(line, "{") {
		if l, ok := readJSON(line); ok {
			return l
		}
	}
	l := logLine{fields: map[string]string{}}
	rest := line
	if m := console.FindStringSubmatch(line); m != nil {
		l.at, _ = time.Parse(time.RFC3339, m[1])
		rest = m[2]
	}
	first := len(rest)
	for _, m := range field.FindAllStringSubmatchIndex(rest, -1) {
		first = min(first, m[0])
		value := rest[m[4]:m[5]]
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		l.fields[rest[m[2]:m[3]]] = value
	}
	l.text = rest[:first]
	l.finish()
	return l
}

func readJSON(line string) (logLine, bool) {
	var raw map[string]any
	if json.Unmarshal([]byte(line), &raw) != nil {
		return logLine{}, false
	}
	l := logLine{fields: map[string]string{}}
	for name, value := range raw {
		switch v := value.(type) {
		case string:
			l.fields[name] = v
		case []any:
			var words []string
			for _, item := range v {
				if word, ok := item.(string); ok {
					words = append(words, word)
				}
			}
			l.fields[name] = strings.Join(words, " ")
		}
	}
	l.finish()
	return l, true
}

// finish gathers the message from where the versions and forms have it.
func (l *logLine) finish() {
	if at, err := time.Parse(time.RFC3339, l.fields["time"]); err == nil && l.at.IsZero() {
		l.at = at
	}
	parts := []string{l.text, l.fields["msg"], l.fields["message"], l.fields["error"]}
	parts = slices.DeleteFunc(parts, func(s string) bool { return strings.TrimSpace(s) == "" })
	l.text = strings.Join(strings.Fields(strings.Join(parts, ": ")), " ")
}

var (
	failure = regexp.MustCompile(`(?i)unable to obtain ACME certificate|error renewing (?:ACME )?certificate|unable to generate a certificate for the domains`)
	success = regexp.MustCompile(`(?i)certificates obtained for domains`)
	broken  = regexp.MustCompile(`(?i)ACME resolver? .*skipped|unable to get ACME account|non-?existent (?:certificate )?resolver|permissions \d+ for .* are too open`)

	urn       = regexp.MustCompile(`urn:ietf:params:acme:error:(\w+)`)
	inMessage = regexp.MustCompile(`for (?:the )?domains? \[([^\]]+)\]|for domains "([^"]+)"|from LE ?: \{(\S+) \[([^\]]*)\]`)
	ofDomain  = regexp.MustCompile(`(?:domains|domain) \\?"([^"\\]+)\\?"`)
	separator = regexp.MustCompile(`[\s,"\[\]]+`)
	skipped   = regexp.MustCompile(`(?i)ACME resolver "?([\w.-]+)"? is skipped|non-?existent (?:certificate )?resolver:? "?([\w.-]+)"?`)
	router    = regexp.MustCompile(`(?i)the router ([^\s]+) uses`)
)

func readEvent(l logLine) (Event, bool) {
	e := Event{At: l.at, CA: l.fields["acmeCA"], Message: l.text, Router: l.fields["routerName"]}
	switch {
	case broken.MatchString(l.text):
		e.Kind = Broken
	case failure.MatchString(l.text):
		e.Kind = Failed
	case success.MatchString(l.text):
		e.Kind = Issued
	default:
		return Event{}, false
	}
	if e.CA == "" {
		e.CA = l.fields["ACME CA"]
	}
	e.Resolver, _ = strings.CutSuffix(l.fields["providerName"], ".acme")
	for _, name := range []string{"resolver", "certificateResolver"} {
		if e.Resolver == "" {
			e.Resolver = l.fields[name]
		}
	}
	if m := skipped.FindStringSubmatch(l.text); m != nil && e.Resolver == "" {
		e.Resolver = m[1] + m[2]
	}
	if m := router.FindStringSubmatch(l.text); m != nil && e.Router == "" {
		e.Router = m[1]
	}
	e.Names = names(l)
	if e.Kind != Issued {
		e.Problem = problemOf(l.text)
	}
	return e, true
}

// names are the domains of a line: those of its field, or of its message.
func names(l logLine) []string {
	text := l.fields["domains"]
	if text == "" {
		if m := inMessage.FindStringSubmatch(l.text); m != nil {
			text = strings.Join(m[1:], " ")
		} else if m := ofDomain.FindStringSubmatch(l.text); m != nil {
			text = m[1]
		}
	}
	var out []string
	for _, name := range separator.Split(text, -1) {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, strings.ToLower(name))
		}
	}
	return out
}
