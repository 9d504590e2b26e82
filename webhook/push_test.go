package webhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deployer/state"
)

func TestGitHubPush(t *testing.T) {
	body := `{
		"ref": "refs/heads/main", "before": "` + commitA + `", "after": "` + commitC + `",
		"forced": false, "deleted": false,
		"repository": {"clone_url": "https://evil.example.com/x.git"},
		"pusher": {"name": "mira"}, "sender": {"login": "mira-l"},
		"head_commit": {"id": "` + commitC + `", "message": "raise the limit\n\nbecause", "author": {"name": "Mira L", "username": "mira-l"}},
		"commits": [
			{"id": "` + commitB + `", "added": ["b/new.yaml"], "removed": [], "modified": ["a.yaml"]},
			{"id": "` + commitC + `", "added": [], "removed": ["old.yaml"], "modified": ["a.yaml"]}
		]}`
	got := parseOne(t, provider(t, "github"), request(body, "X-GitHub-Event", "push", "X-GitHub-Delivery", "d-1"))
	want := state.Event{
		Provider: "github", Delivery: "d-1", Kind: state.EventPush,
		Ref: "refs/heads/main", Before: commitA, After: commitC,
		Actor: "mira-l", Subject: "raise the limit", Author: "Mira L",
		Paths: []string{"a.yaml", "b/new.yaml", "old.yaml"}, PathsComplete: true,
		ReceivedAt: receivedAt,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestGiteaPushNeverCallsItsPathsComplete(t *testing.T) {
	body := `{
		"ref": "refs/heads/main", "before": "` + commitA + `", "after": "` + commitB + `",
		"pusher": {"login": "ada", "username": "ada"},
		"commits": [{"id": "` + commitB + `", "message": "one\n", "author": {"name": "Ada"}, "modified": ["x"]}],
		"total_commits": 1}`
	got := parseOne(t, provider(t, "gitea"), request(body, "X-Gitea-Event", "push", "X-Gitea-Delivery", "d-2"))
	want := state.Event{
		Provider: "gitea", Delivery: "d-2", Kind: state.EventPush,
		Ref: "refs/heads/main", Before: commitA, After: commitB,
		Actor: "ada", Subject: "one", Author: "Ada",
		Paths: []string{"x"}, ReceivedAt: receivedAt,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPushOfANewOrGoneRef(t *testing.T) {
	zeros64 := zeros + zeros[:24]
	after64 := commitB + commitB[:24]
	tests := map[string]struct {
		body               string
		ref, before, after string
		deleted            bool
	}{
		"new branch":          {body: `{"ref":"refs/heads/b","before":"` + zeros + `","after":"` + commitB + `"}`, ref: "refs/heads/b", after: commitB},
		"gone branch":         {body: `{"ref":"refs/heads/b","before":"` + commitA + `","after":"` + zeros + `","deleted":true,"head_commit":null}`, ref: "refs/heads/b", before: commitA, deleted: true},
		"gone without a flag": {body: `{"ref":"refs/heads/b","before":"` + commitA + `","after":"` + zeros + `"}`, ref: "refs/heads/b", before: commitA, deleted: true},
		"tag":                 {body: `{"ref":"refs/tags/main","before":"` + zeros + `","after":"` + commitB + `"}`, ref: "refs/tags/main", after: commitB},
		"sha-256":             {body: `{"ref":"refs/heads/b","before":"` + zeros64 + `","after":"` + after64 + `"}`, ref: "refs/heads/b", after: after64},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			e := parseOne(t, provider(t, "github"), request(tt.body, "X-GitHub-Event", "push"))
			if e.Kind != state.EventPush || e.Ref != tt.ref || e.Before != tt.before || e.After != tt.after || e.Deleted != tt.deleted {
				t.Errorf("got %+v", e)
			}
			if e.PathsComplete {
				t.Error("paths are called complete")
			}
		})
	}
}

func TestPushWithUnusableFieldsIsMalformed(t *testing.T) {
	push := func(ref, before, after string) string {
		return `{"ref":` + ref + `,"before":` + before + `,"after":` + after + `}`
	}
	main, a, b := `"refs/heads/main"`, `"`+commitA+`"`, `"`+commitB+`"`
	tests := map[string]string{
		"null document":         `null`,
		"list":                  `[]`,
		"no ref":                `{"before":` + a + `,"after":` + b + `}`,
		"null ref":              push("null", a, b),
		"ref is a number":       push("7", a, b),
		"short ref":             push(`"main"`, a, b),
		"ref climbs":            push(`"refs/heads/../../x"`, a, b),
		"ref with a line break": push(`"refs/heads/a\nb"`, a, b),
		"very long ref":         push(`"refs/heads/`+strings.Repeat("x", 2000)+`"`, a, b),
		"no after":              `{"ref":` + main + `,"before":` + a + `}`,
		"null before":           push(main, "null", b),
		"short after":           push(main, a, `"bbbbbbbbbbbb"`),
		"after is not hex":      push(main, a, `"`+strings.Repeat("x", 40)+`"`),
		"after of 41 digits":    push(main, a, `"`+commitB+`b"`),
		"commits is an object":  `{"ref":` + main + `,"before":` + a + `,"after":` + b + `,"commits":{}}`,
		"pusher is a string":    `{"ref":` + main + `,"before":` + a + `,"after":` + b + `,"pusher":"x"}`,
	}
	for what, body := range tests {
		for _, name := range []string{"github", "gitea"} {
			t.Run(name+"/"+what, func(t *testing.T) {
				r := request(body, "X-GitHub-Event", "push", "X-Gitea-Event", "push")
				events, err := provider(t, name).Parse(r)
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("Parse = %+v, %v; want ErrMalformed", events, err)
				}
			})
		}
	}
}

func TestPushWithNullsWhereNothingDependsOnThem(t *testing.T) {
	body := `{"ref":"refs/heads/main","before":"` + commitA + `","after":"` + commitB + `",
		"commits":[null,{"id":null,"author":null,"added":null,"modified":[null]}],"head_commit":null,"pusher":null,"sender":null,"forced":null}`
	e := parseOne(t, provider(t, "github"), request(body, "X-GitHub-Event", "push"))
	if e.After != commitB || e.PathsComplete {
		t.Errorf("got %+v", e)
	}
}

func TestTextsOfAPushAreBounded(t *testing.T) {
	body := `{"ref":"refs/heads/main","before":"` + commitA + `","after":"` + commitB + `",
		"sender":{"login":"` + strings.Repeat("ä", 500) + `"},
		"head_commit":{"message":"\u001b[31mred\u202e` + strings.Repeat("é", 500) + `\nbody","author":{"name":"` + strings.Repeat("n", 500) + `"}}}`
	e := parseOne(t, provider(t, "github"), request(body, "X-GitHub-Event", "push"))
	if want := "[31mred" + strings.Repeat("é", 200-7); e.Subject != want {
		t.Errorf("Subject = %q, want %q", e.Subject, want)
	}
	if e.Actor != strings.Repeat("ä", 100) || e.Author != strings.Repeat("n", 100) {
		t.Errorf("Actor %q, Author %q", e.Actor, e.Author)
	}
}

func TestDeliveryIDThatCannotBeAKeyIsRefused(t *testing.T) {
	for _, id := range []string{strings.Repeat("x", 201), "a b", "ä"} {
		r := request(smallPush, "X-GitHub-Event", "push", "X-GitHub-Delivery", id)
		if _, err := provider(t, "github").Parse(r); !errors.Is(err, ErrMalformed) {
			t.Errorf("delivery %q: %v, want ErrMalformed", id, err)
		}
	}
}

func TestErrorsDoNotRepeatLongInput(t *testing.T) {
	r := request(`{"ref":"`+strings.Repeat("x", 900)+`"}`, "X-GitHub-Event", "push")
	_, err := provider(t, "github").Parse(r)
	if err == nil || len(err.Error()) > 300 || !strings.Contains(err.Error(), "refs/heads/main") {
		t.Errorf("got %v", err)
	}
}
