package webhook

import (
	"encoding/base64"
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
		_, event, found := strings.Cut(row[5], "-Event: ")
		if !found {
			_, event, _ = strings.Cut(row[5], "X-Event-Key: ")
		}
		event, _, _ = strings.Cut(event, ";")
		event, _, _ = strings.Cut(event, " (")
		name := row[0]
		if name == "bitbucket-cloud" {
			name = "bitbucket"
		}
		if _, known := Lookup(name); known {
			out = append(out, sample{provider: name, event: event, file: row[2]})
		}
	}
	return out
}

func (s sample) request(t testing.TB) Request {
	body, err := os.ReadFile(filepath.Join(corpus, s.file))
	if err != nil {
		t.Fatal(err)
	}
	r := request(string(body))
	for _, header := range []string{"X-GitHub-Event", "X-Gitea-Event", "X-Forgejo-Event", "X-Gogs-Event", "X-Gitlab-Event", "X-Event-Key"} {
		r.Header.Set(header, s.event)
	}
	if scheme, signed := schemes[s.provider]; signed {
		r.Header.Set(scheme.header, scheme.prefix+sign(rightKey, string(body)))
	}
	r.Header.Set("X-Gitlab-Token", string(rightKey))
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("deployer:"+string(rightKey))))
	return r
}

// kind is what the sample's name says that it announces.
func (s sample) kind() state.EventKind {
	name := filepath.Base(s.file)
	switch {
	case strings.Contains(name, "update_edited"), strings.Contains(name, "mark_ready"):
		return state.EventIgnored
	case strings.Contains(name, "push"), strings.HasPrefix(name, "refs_changed"), s.provider == "gitlab" && strings.HasPrefix(name, "tag"):
		return state.EventPush
	case strings.Contains(name, "pull"), strings.HasPrefix(name, "merge_request"), strings.HasPrefix(name, "pr_"):
		return state.EventPullRequest
	}
	return state.EventIgnored
}

func TestRealPayloads(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.file, func(t *testing.T) {
			p, r := provider(t, s.provider), s.request(t)
			if err := p.Verify(r, [][]byte{otherKey, rightKey}); err != nil {
				t.Fatal(err)
			}
			e := parseOne(t, p, r)
			if e.Kind != s.kind() {
				t.Fatalf("got %+v, want %s", e, s.kind())
			}
			switch e.Kind {
			case state.EventPush:
				gone := strings.Contains(s.file, "delete")
				tag := strings.Contains(s.file, "tag")
				if e.Deleted != gone || (e.After == "") != gone || strings.HasPrefix(e.Ref, "refs/tags/") != tag {
					t.Errorf("got %+v", e)
				}
				if e.Actor == "" {
					t.Errorf("nobody pushed: %+v", e)
				}
				if e.Forced != strings.Contains(s.file, "forced") || (e.Forced && e.PathsComplete) {
					t.Errorf("forced: %+v", e)
				}
			case state.EventPullRequest:
				if e.Subject == "" || e.Author == "" || e.Actor == "" {
					t.Errorf("got %+v", e)
				}
				s.checkPull(t, e.PullRequest)
			default:
				if !strings.Contains(e.Ignored, ": ") {
					t.Errorf("got %+v", e)
				}
			}
		})
	}
}

// checkPull holds what a pull request's event says to what the sample's name says.
func (s sample) checkPull(t *testing.T, p *state.PullRequest) {
	t.Helper()
	name := filepath.Base(s.file)
	want := state.PullUpdated
	switch {
	case strings.Contains(name, "open"), strings.Contains(name, "created"):
		want = state.PullOpened
	case strings.Contains(name, "merge."), strings.Contains(name, "merged"), name == "git_pullrequest_updated.json": // of one that is completed
		want = state.PullMerged
	case strings.Contains(name, "closed"), strings.Contains(name, "declined"), strings.Contains(name, "deleted"), strings.Contains(name, "rejected"):
		want = state.PullClosed
	}
	// One of them leaves the repositories out, so nothing shows that they are the same.
	fork := strings.Contains(name, "fork") || s.file == "forgejo/pull_request_opened.json"
	if p.Action != want || p.Fork != fork || p.Number == 0 || !strings.HasPrefix(p.Base, "refs/heads/") || !strings.HasPrefix(p.HeadRef, "refs/heads/") {
		t.Errorf("got %+v, want %s, fork %t", p, want, fork)
	}
	if shortened := s.provider == "bitbucket" || s.provider == "gogs"; (p.Head == "") != shortened {
		t.Errorf("head %q", p.Head)
	}
	if (p.MergeCommit != "") != (want == state.PullMerged) {
		t.Errorf("merge commit %q", p.MergeCommit)
	}
}
