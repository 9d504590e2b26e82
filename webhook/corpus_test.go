package webhook

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"deployer/state"
)

// corpus is a folder of real payloads that may lie beside the repository. Its
// index says which event each of them is.
const corpus = "../../shared/webhooks"

type sample struct{ provider, event, file string }

// samples reads the index; headers are "Name: value; Name: value".
func samples(t testing.TB) []sample {
	f, err := os.Open(filepath.Join(corpus, "INDEX.tsv"))
	if err != nil {
		t.Skipf("no real payloads here: %v", err)
	}
	defer func() { _ = f.Close() }()
	table := csv.NewReader(f)
	table.Comma, table.LazyQuotes = '\t', true
	rows, err := table.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for _, row := range rows[1:] {
		_, event, _ := strings.Cut(row[5], "-Event: ")
		event, _, _ = strings.Cut(event, ";")
		if _, known := Lookup(row[0]); known {
			out = append(out, sample{provider: row[0], event: event, file: row[2]})
		}
	}
	return out
}

func (s sample) request(t testing.TB) Request {
	body, err := os.ReadFile(filepath.Join(corpus, s.file))
	if err != nil {
		t.Fatal(err)
	}
	return request(string(body), "X-GitHub-Event", s.event, "X-Gitea-Event", s.event)
}

func TestRealPayloads(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.file, func(t *testing.T) {
			p, scheme := provider(t, s.provider), schemes[s.provider]
			r := s.request(t)
			r.Header.Set(scheme.header, scheme.prefix+sign(rightKey, string(r.Body)))
			if err := p.Verify(r, [][]byte{otherKey, rightKey}); err != nil {
				t.Fatal(err)
			}
			e := parseOne(t, p, r)
			switch s.event {
			case "push":
				gone := strings.Contains(s.file, "delete")
				tag := strings.Contains(s.file, "tag")
				if e.Kind != state.EventPush || e.Deleted != gone || (e.After == "") != gone || strings.HasPrefix(e.Ref, "refs/tags/") != tag {
					t.Errorf("got %+v", e)
				}
				if e.Actor == "" {
					t.Errorf("nobody pushed: %+v", e)
				}
				if e.Forced != strings.Contains(s.file, "forced") || (e.Forced && e.PathsComplete) {
					t.Errorf("forced: %+v", e)
				}
			case "pull_request":
				if e.Kind != state.EventPullRequest || e.Subject == "" || e.Author == "" {
					t.Errorf("got %+v", e)
				}
			default:
				if e.Kind != state.EventIgnored || !strings.HasPrefix(e.Ignored, s.event+": ") {
					t.Errorf("got %+v", e)
				}
			}
		})
	}
}
