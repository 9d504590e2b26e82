package forge

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"deployer/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

const pageURL = "https://deploy.example.com"

// planned7 is a merge request that opens a port, changes an image and a volume,
// and drops a variable.
func planned7(change ...func(*state.Run)) *state.Run {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	run := &state.Run{
		ID: "r1", Stack: "shop", Kind: state.KindReview, Environment: "production", Commit: "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00",
		Status: state.RunSucceeded, FinishedAt: &at,
		Review: &state.Review{Pull: 7, Title: "Open a port", Base: "main", Head: "ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12"},
		Changes: &state.Changes{
			Services: []state.ServiceChange{
				{Name: "cache", Action: state.ActionCreate, Why: "new service"},
				{Name: "db", Action: state.ActionKeep},
				{Name: "web", Action: state.ActionRecreate, Why: "image web:1 → web:2; environment: LEVEL info → debug, OLD removed; ports: none → 8080:80"},
				{Name: "worker", Action: state.ActionRemove, Why: "not in the compose files any more"},
			},
			Against: "0123456789012345678901234567890123456789",
			Images: []state.ImageChange{
				{Service: "cache", New: "cache:7"},
				{Service: "web", Old: "web:1", New: "web:2", OldDigest: "sha256:1111111111111111", NewDigest: "sha256:2222222222222222"},
			},
			Ports:    []state.PortChange{{Service: "web", Port: "8080:80", Kind: state.ChangeAdded}, {Service: "worker", Port: "9000:9000", Kind: state.ChangeRemoved}},
			Volumes:  []state.NamedChange{{Name: "data", Kind: state.ChangeChanged, Dangerous: true, Why: "service web mounts data2 at /data instead; the data does not follow"}},
			Networks: []state.NamedChange{{Name: "front", Kind: state.ChangeAdded}},
			Values:   []state.ValueChange{{Name: "LEVEL", Kind: state.ChangeChanged, Old: "info", New: "debug"}, {Name: "OLD", Kind: state.ChangeRemoved, Old: "1"}},
			Passed:   []state.PassedChange{{Service: "web", Name: "OLD", Kind: state.ChangeRemoved}},
			Secrets:  []state.NamedChange{{Name: "PASSWORD", Kind: state.ChangeChanged}},
			Files:    []state.NamedChange{{Name: "./nginx.conf", Kind: state.ChangeChanged, Why: "mounted by web"}},
			Pipeline: []state.LineChange{{Kind: state.ChangeRemoved, Line: 3, Text: "verify: []"}, {Kind: state.ChangeAdded, Line: 3, Text: "verify: [{check: http}]"}},
			Checks: []state.Step{
				{Name: "env", Status: state.StepPassed, Message: "12 variables"},
				{Name: "dns shop.example.com", Status: state.StepSkipped, Message: "it looks outside: it runs before the deploy"},
			},
			Notes: []string{"the image of cache is not on the Engine yet: the deploy has to pull it"},
		},
	}
	for _, c := range change {
		c(run)
	}
	return run
}

func merged7(o *state.Outcome) func(*state.Run) {
	return func(r *state.Run) {
		r.Review.Ended, r.Review.Merged, r.Review.Stale, r.Review.Outcome = state.EndedMerged, "feed00feed00feed", true, o
	}
}

func TestCommentReadsLikeASummary(t *testing.T) {
	for name, run := range map[string]*state.Run{
		"plan":  planned7(),
		"stale": planned7(func(r *state.Run) { r.Review.Stale, r.Review.Behind, r.Commit = true, true, r.Review.Head }),
		"fails": planned7(func(r *state.Run) {
			r.Status, r.Error = state.RunFailed, "preflight: env failed: the deploy would stop before it changes anything"
			r.Changes.Checks[0] = state.Step{Name: "env", Status: state.StepFailed, Message: "MISSING is used and not set\nin compose.yaml"}
		}),
		"deployed":    planned7(merged7(&state.Outcome{Commit: "feed00feed00feed", Status: state.RunSucceeded})),
		"rolled-back": planned7(merged7(&state.Outcome{Commit: "feed00feed00feed", Status: state.RunRolledBack, RolledBackTo: "0123456789012345", Error: "verify: https: answered 502"})),
		"unchanged":   planned7(func(r *state.Run) { r.Status, r.Changes, r.Environment = state.RunUnchanged, nil, "" }),
	} {
		t.Run(name, func(t *testing.T) {
			marker, body := Comment(pageURL, run)
			if !strings.HasPrefix(body, marker) {
				t.Error("the marker does not begin the body")
			}
			file := filepath.Join("testdata", name+".md")
			if *update {
				if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheFirstLineSaysWhereTheRunStands(t *testing.T) {
	for want, change := range map[string]func(*state.Run){
		"Merging this would **create 1 service, recreate 1 and remove 1** in production.": func(*state.Run) {},
		"Merging this would **touch no container** in production.":                        func(r *state.Run) { r.Changes.Services = r.Changes.Services[1:2] },
		"The plan is being made.": func(r *state.Run) { r.Status = state.RunRunning },
		"**Closed** without a merge: nothing was deployed to production.":        func(r *state.Run) { r.Review.Ended = state.EndedClosed },
		"**Merged.** The deploy to production has not ended yet.":                merged7(nil),
		"**Merged**: <code>feed</code> changes nothing in production.":           merged7(&state.Outcome{Commit: "feed", Status: state.RunUnchanged}),
		"**Merged**: the deploy of <code>feed</code> to production is canceled.": merged7(&state.Outcome{Commit: "feed", Status: state.RunCanceled}),
	} {
		if _, body := Comment(pageURL, planned7(change)); strings.Split(body, "\n")[3] != want {
			t.Errorf("got %q, want %q", strings.Split(body, "\n")[3], want)
		}
	}
	for _, change := range []func(*state.Run){
		func(r *state.Run) { r.Status = state.RunSuperseded },
		func(r *state.Run) { r.Status = state.RunCanceled },
		func(r *state.Run) { r.Review = nil },
	} {
		if marker, body := Comment(pageURL, planned7(change)); marker == "" || body != "" {
			t.Errorf("marker %q, body %q", marker, body)
		}
	}
}

// Whatever users write is shown, and read as nothing else.
func TestWhatUsersWriteInjectsNothing(t *testing.T) {
	evil := "--><script>x</script>|@all #1 !2 [a](javascript:x) ![i](https://evil.example/i.png) www.evil.example `c` **b**\n\n# h\n```\n</details> \u202e\x1b[31m"
	run := planned7(func(r *state.Run) {
		r.Stack, r.Environment, r.Error, r.Review.Base, r.Review.Head = evil, evil, evil, evil, evil
		c := r.Changes
		for i := range c.Services {
			c.Services[i].Name, c.Services[i].Why = evil, evil
		}
		c.Images[1].Old, c.Images[1].NewDigest = evil, evil
		c.Ports[0].Port, c.Ports[0].Service = evil, evil
		c.Volumes[0].Name, c.Volumes[0].Why, c.Networks[0].Name = evil, evil, evil
		c.Values[0].Old, c.Values[1].Name, c.Secrets[0].Name = evil, evil, evil
		c.Files[0].Name, c.Pipeline[0].Text, c.Notes[0] = evil, evil, evil
		c.Checks[0].Status, c.Checks[0].Name, c.Checks[0].Message = state.StepFailed, evil, evil
	})
	inCode := regexp.MustCompile(`(?s)<code>.*?</code>|<!--.*?-->`)
	tags := regexp.MustCompile(`</?(code|details|summary)>|<!-- deployer/[^>]* -->`)
	for _, status := range []state.RunStatus{state.RunSucceeded, state.RunFailed} {
		run.Status = status
		_, body := Comment(pageURL+") @all", run)
		for _, bad := range []string{"@", "<script", "](j", "![", "\u202e", "\x1b", "```", "\n# "} {
			if strings.Contains(strings.ReplaceAll(body, "%29%20@all/runs/r1)", ""), bad) {
				t.Errorf("%s: %q is in\n%s", status, bad, body)
			}
		}
		for _, bad := range []string{"://evil", "www."} { // which is nothing in code
			if strings.Contains(inCode.ReplaceAllString(body, ""), bad) {
				t.Errorf("%s: %q is in\n%s", status, bad, body)
			}
		}
		if rest := tags.ReplaceAllString(body, ""); strings.ContainsAny(rest, "<>") {
			t.Errorf("a tag that is not ours: %s", rest)
		}
		if strings.Count(body, "<details>") != strings.Count(body, "</details>") {
			t.Error("a fold stays open")
		}
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "|") && strings.Count(line, "|") != 4 && strings.Count(line, "|") != 5 {
				t.Errorf("a row has other cells: %s", line)
			}
		}
	}
}

func TestACommentIsNeverTooLong(t *testing.T) {
	run := planned7(func(r *state.Run) {
		long := strings.Repeat("é@<", 400)
		for range 500 {
			r.Changes.Services = append(r.Changes.Services, state.ServiceChange{Name: long, Action: state.ActionRecreate, Why: long})
			r.Changes.Pipeline = append(r.Changes.Pipeline, state.LineChange{Kind: state.ChangeAdded, Text: long})
			r.Changes.Notes = append(r.Changes.Notes, long)
		}
		r.Error = long
	})
	_, body := Comment(pageURL, run)
	if len(body) > maxComment || !utf8.ValidString(body) || !strings.HasSuffix(body, "](https://deploy.example.com/runs/r1)\n") ||
		!strings.Contains(body, "more than a comment can hold") || !strings.Contains(body, "recreate 501") {
		t.Errorf("%d bytes, ends with %q", len(body), body[max(0, len(body)-100):])
	}
}

// folders are the reviews of a pull request that concerns several stacks.
func folders() []*state.Run {
	folder := func(name string, change state.FolderChange, more func(*state.Run)) *state.Run {
		run := planned7(func(r *state.Run) {
			r.ID, r.Stack, r.Environment = "r-"+name, name, ""
			r.Changes = &state.Changes{Services: []state.ServiceChange{{Name: "web", Action: state.ActionRecreate, Why: "image web:1 → web:2"}}}
			r.Review.Folder = &state.Folder{Template: "apps/*", Directory: "apps/" + name, Change: change}
		})
		more(run)
		return run
	}
	return []*state.Run{
		folder("wiki", "", func(*state.Run) {}),
		folder("blog", state.FolderAdded, func(r *state.Run) {
			r.Changes.Services[0] = state.ServiceChange{Name: "web", Action: state.ActionCreate}
			r.Changes.Notes = []string{"folder apps/blog is new on main: it becomes stack blog, project blog; this is its first release"}
		}),
		folder("old", state.FolderRemoved, func(r *state.Run) {
			r.Changes.Services[0] = state.ServiceChange{Name: "web", Action: state.ActionKeep}
			r.Changes.Notes = []string{"once it is merged: folder apps/old is no longer on main"}
		}),
		folder("apps/Loud", state.FolderRefused, func(r *state.Run) {
			r.Status, r.Changes, r.Error, r.Review.Folder.Directory = state.RunFailed, nil, `folder apps/Loud of apps/* cannot be a stack: "Loud" is no name`, "apps/Loud"
		}),
		folder("same", "", func(r *state.Run) { r.Status, r.Changes = state.RunUnchanged, nil }),
		folder("away", "", func(r *state.Run) { r.Review.Ended = state.EndedDropped }),
		folder("waits", "", func(r *state.Run) { r.Status = state.RunSuperseded }),
	}
}

func TestACommentListsAllStacks(t *testing.T) {
	_, body := Comment(pageURL, folders()...)
	file := filepath.Join("testdata", "several.md")
	if *update {
		if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), body); diff != "" {
		t.Error(diff)
	}
	merged := folders()
	for _, run := range merged {
		merged7(&state.Outcome{Commit: "feed", Status: state.RunSucceeded})(run)
	}
	_, body = Comment("", merged...)
	for _, says := range []string{
		"| wiki | **Merged and deployed**: <code>feed</code> is live in wiki and was verified. |",
		"| old | **Merged.** Folder <code>apps/old</code> is gone; what runs of it in old was left alone. |",
		"| apps/Loud | 🔴 **Merged, but not deployed**: folder <code>apps/Loud</code> is no stack.",
	} {
		if !strings.Contains(body, says) {
			t.Errorf("%q is not said in\n%s", says, body)
		}
	}
	if _, body := Comment("", folders()[5]); !strings.Contains(body, "changes no stack any more") {
		t.Errorf("nothing is left: %q", body)
	}
	var many []*state.Run
	for i := range 400 {
		many = append(many, planned7(func(r *state.Run) {
			r.Stack = strings.Repeat("é", 100) + number(int64(i))
			r.Changes.Notes = []string{strings.Repeat("<", 300)}
		}))
	}
	for _, n := range []int{2, 10, 50, 400} {
		_, body := Comment(pageURL, many[:n]...)
		if len(body) > maxComment || !utf8.ValidString(body) || strings.Count(body, "<details>") != strings.Count(body, "</details>") {
			t.Errorf("of %d stacks: %d bytes", n, len(body))
		}
	}
}

func TestACommentSaysThatAPullRequestIsGone(t *testing.T) {
	run := planned7(func(r *state.Run) {
		r.Stack, r.Status, r.Changes, r.Error = "apps/*", state.RunFailed, nil, "pull request 7: git.example.com has none of refs/pull/7/head"
		r.Review.Folder = &state.Folder{Template: "apps/*", Directory: "apps", Change: state.FolderUnread}
	})
	if _, body := Comment(pageURL, run); !strings.Contains(body, "**Not planned**: pull request 7&#58; git.example.com has none of") || strings.Contains(body, "Planned for") {
		t.Errorf("it says\n%s", body)
	}
	run.Review.Ended = state.EndedMerged
	if _, body := Comment(pageURL, run); !strings.Contains(body, "**Merged.** It was not planned: pull request 7") {
		t.Errorf("merged, it says\n%s", body)
	}
}
