package forge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"deployer/state"
)

func each(t *testing.T, test func(t *testing.T, p provider)) {
	t.Helper()
	for _, p := range providers() {
		t.Run(p.name+p.api, func(t *testing.T) { test(t, p) })
	}
}

func TestStatusesAtEveryForge(t *testing.T) {
	each(t, func(t *testing.T, p provider) {
		f, c := start(t, p)
		stack := "deployer/" + strings.Repeat("s", 50) + "/plan"
		long := strings.Repeat("größer ", 100)
		for i, state := range []State{Pending, Success, Failure, Canceled} {
			err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: stack, State: state, Description: long, URL: "https://deploy.example.com/runs/1"})
			if err != nil {
				t.Fatal(err)
			}
			got := f.statuses[len(f.statuses)-1]
			if got.state != p.states[i] || got.commit != commitOne || got.context != p.key(stack) || got.url != "https://deploy.example.com/runs/1" {
				t.Errorf("%s became %+v", state, got)
			}
			if !strings.HasPrefix(got.description, "größer größer") || !strings.HasSuffix(got.description, "…") || !utf8.ValidString(got.description) {
				t.Errorf("the description is %q", got.description)
			}
		}
		if err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "deployer/shop", State: Success, Description: "short"}); err != nil {
			t.Errorf("without a page: %v", err)
		}
	})
}

func TestTheSameStatusTwiceDoesNoHarm(t *testing.T) {
	each(t, func(t *testing.T, p provider) {
		_, c := start(t, p)
		for _, words := range []string{"queued", "waits for approval"} {
			if err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "deployer/shop", State: Pending, Description: words}); err != nil {
				t.Error(err)
			}
		}
	})
}

// What GitLab does not take for another reason is not taken for done.
func TestGitLabRefusesOtherThings(t *testing.T) {
	p := providers()[2]
	f, c := start(t, p)
	f.answer = func(w http.ResponseWriter) bool {
		f.answer = nil
		refuse(w, http.StatusBadRequest, "Cannot transition status via :run from :success")
		return true
	}
	err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "deployer/shop", State: Pending, Description: "x"})
	if !isRefusal(err, http.StatusBadRequest) || !strings.Contains(err.Error(), "Cannot transition") {
		t.Errorf("got %v", err)
	}
}

const marker = "<!-- deployer/shop -->"

func TestOneCommentIsKept(t *testing.T) {
	each(t, func(t *testing.T, p provider) {
		f, c := start(t, p)
		hidden := marker
		if strings.HasPrefix(p.name, "bitbucket") {
			hidden, _ = plainMarkdown(marker, "")
		}
		f.add(other, hidden+"\nmine, says somebody else")
		for range 230 {
			f.add(other, "chatter")
		}
		f.add(me, "of deployer, about another stack <!-- deployer/blog -->")
		put := func(body string) {
			t.Helper()
			if err := c.PutComment(t.Context(), 3, marker, body); err != nil {
				t.Fatal(err)
			}
		}
		held := func(n int) (of []*fakeComment) {
			t.Helper()
			for _, c := range f.alive() {
				if c.author == me && strings.Contains(c.text, hidden) {
					of = append(of, c)
				}
			}
			if len(of) != n {
				t.Fatalf("%d comments of deployer's own", len(of))
			}
			return of
		}
		put("the first plan")
		put("the second plan")
		mine := held(1)[0]
		if !strings.Contains(mine.text, "the second plan") || len(f.comments) != 233 {
			t.Errorf("%d comments, and ours says %q", len(f.comments), mine.text)
		}
		before := f.writes
		put("the second plan")
		put(marker + "\nthe second plan")
		if f.writes != before {
			t.Error("what was there already was written again")
		}
		mine.deleted = true
		put("the third plan")
		if again := held(1)[0]; again == mine || !strings.Contains(again.text, "the third plan") {
			t.Errorf("it was not made again: %q", again.text)
		}
		put(strings.Repeat("ä", 2_000_000))
		if n := utf8.RuneCountInString(held(1)[0].text); n > 1_000_000 || n < 30000 {
			t.Errorf("%d characters were written", n)
		}
		if f.comments[0].text != hidden+"\nmine, says somebody else" || f.lookups != 1 {
			t.Errorf("somebody else's comment: %q; asked %d times whose the token is", f.comments[0].text, f.lookups)
		}
	})
}

// A comment that is deleted between being found and being edited is made again.
func TestACommentThatGoesInThatMoment(t *testing.T) {
	each(t, func(t *testing.T, p provider) {
		f, c := start(t, p)
		if err := c.PutComment(t.Context(), 3, marker, "one"); err != nil {
			t.Fatal(err)
		}
		f.answer = func(http.ResponseWriter) bool { // after the list was read
			f.answer = func(http.ResponseWriter) bool { f.comments[0].deleted = true; return false }
			return false
		}
		if err := c.PutComment(t.Context(), 3, marker, "two"); err != nil {
			t.Fatal(err)
		}
		if alive := f.alive(); len(alive) != 1 || !strings.Contains(alive[0].text, "two") {
			t.Errorf("there are %d comments", len(alive))
		}
	})
}

// A token that may not ask whose it is learns it from the status it sets.
func TestWhoseTheTokenIsFromAStatus(t *testing.T) {
	each(t, func(t *testing.T, p provider) {
		f, c := start(t, p)
		f.noUser = true
		if p.name == "bitbucket" {
			theForgeTellsWhoseIsWhose(t, f, c)
			return
		}
		err := c.PutComment(t.Context(), 3, marker, "one")
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Hint == "" || len(f.comments) > 0 {
			t.Fatalf("got %v and %d comments", err, len(f.comments))
		}
		if strings.HasPrefix(p.name, "bitbucket") {
			return // their statuses name nobody
		}
		if err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "deployer/shop", State: Success}); err != nil {
			t.Fatal(err)
		}
		if err := c.PutComment(t.Context(), 3, marker, "one"); err != nil {
			t.Error(err)
		}
	})
}

func theForgeTellsWhoseIsWhose(t *testing.T, f *fakeForge, c Client) {
	t.Helper()
	f.authorsOnly = true
	hidden, _ := plainMarkdown(marker, "")
	f.add(other, hidden+" not ours")
	for _, body := range []string{"one", "two"} {
		if err := c.PutComment(t.Context(), 3, marker, body); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.comments) != 2 || !strings.Contains(f.comments[0].text, "not ours") || !strings.Contains(f.comments[1].text, "two") {
		t.Errorf("%d comments: %q", len(f.comments), f.comments[0].text)
	}
}

func TestGitHubShowsDeployments(t *testing.T) {
	f, c := start(t, providers()[0])
	d := Deployment{Commit: commitOne, Environment: "shop/production", State: Pending, Description: strings.Repeat("x", 200), URL: "https://deploy.example.com/runs/1"}
	set := func() {
		t.Helper()
		if err := c.(deployments).SetDeployment(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	set() // the token may not: the status says it all
	f.deployments = []map[string]any{}
	set()
	d.Running = true
	set()
	d.State = Success
	set()
	d.Environment, d.State = "shop/dev", Failure
	set()
	if got := fmt.Sprint(len(f.deployments), f.deployments[0]["state"], f.deployments[1]["state"]); got != "2 queued in_progress success failure" {
		t.Errorf("GitHub shows %s", got)
	}
}

func TestWhatIsRefusedForGood(t *testing.T) {
	each(t, func(t *testing.T, p provider) {
		f, c := start(t, p)
		for _, code := range []int{401, 403, 404, 422, 203} {
			f.answer = func(w http.ResponseWriter) bool {
				refuse(w, code, "no, "+fakeToken+" may not")
				return true
			}
			err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "deployer/shop", State: Success})
			var refused *Refusal
			if !errors.As(err, &refused) || refused.Status != code || refused.Hint == "" || !strings.Contains(err.Error(), strconv.Itoa(code)) {
				t.Fatalf("%d: %v", code, err)
			}
			if strings.Contains(err.Error(), fakeToken) || !strings.Contains(err.Error(), "[redacted] may not") {
				t.Errorf("%d: %v", code, err)
			}
		}
	})
}

func TestWhatMayPass(t *testing.T) {
	reset := strconv.FormatInt(time.Now().Add(20*time.Minute).Unix(), 10)
	for _, row := range []struct {
		name     string
		code     int
		header   http.Header
		body     string
		from, to time.Duration
	}{
		{"too many, in seconds", 429, http.Header{"Retry-After": {"90"}}, "", 90 * time.Second, 90 * time.Second},
		{"too many, until a date", 429, http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}, "", 58 * time.Minute, time.Hour},
		{"too many, no word", 429, nil, "", time.Second, time.Second},
		{"GitHub's hourly limit", 403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {reset}}, "API rate limit exceeded", 19 * time.Minute, 20 * time.Minute},
		{"GitHub's secondary limit", 403, http.Header{"Retry-After": {"60"}}, "You have exceeded a secondary rate limit", time.Minute, time.Minute},
		{"GitHub's secondary limit, no header", 403, nil, "You have exceeded a secondary rate limit", time.Second, time.Second},
		{"in a year", 503, http.Header{"Retry-After": {"31536000"}}, "", longestWait, longestWait},
		{"away", 503, nil, "", 0, 0},
		{"broken", 502, nil, "", 0, 0},
		{"changed meanwhile", 409, nil, "", 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			f, c := start(t, providers()[0])
			f.answer = func(w http.ResponseWriter) bool {
				for name, values := range row.header {
					w.Header()[name] = values
				}
				refuse(w, row.code, row.body)
				return true
			}
			err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "deployer/shop", State: Success})
			var later *Later
			if !errors.As(err, &later) || later.After < row.from || later.After > row.to {
				t.Fatalf("got %#v", err)
			}
		})
	}
}

// Gitea answers 500 where the commit is gone: that will not pass.
func TestACommitThatGiteaDoesNotKnow(t *testing.T) {
	f, c := start(t, providers()[3])
	err := c.SetStatus(t.Context(), Status{Commit: strings.Repeat("0", 40), Context: "deployer/shop", State: Success})
	if !isRefusal(err, http.StatusNotFound) {
		t.Errorf("got %v", err)
	}
	f.answer = func(w http.ResponseWriter) bool { refuse(w, 500, "database is locked"); f.answer = nil; return true }
	err = c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "deployer/shop", State: Success})
	if later := (*Later)(nil); !errors.As(err, &later) {
		t.Errorf("an outage: %v", err)
	}
}

func TestTheTokenGoesToNoOtherHost(t *testing.T) {
	var taken []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		taken = append(taken, r.Header.Get("Authorization")+r.Header.Get("PRIVATE-TOKEN"))
	}))
	defer thief.Close()
	each(t, func(t *testing.T, p provider) {
		for _, code := range []int{301, 302, 307, 308} {
			f, c := start(t, p)
			f.answer = func(w http.ResponseWriter) bool {
				w.Header().Set("Location", thief.URL+"/x")
				w.WriteHeader(code)
				return true
			}
			err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "deployer/shop", State: Success})
			if !isRefusal(err, code) || strings.Contains(err.Error(), fakeToken) {
				t.Errorf("%d: %v", code, err)
			}
		}
	})
	f, c := start(t, providers()[5]) // whose answers name the next page
	f.answer = func(w http.ResponseWriter) bool {
		reply(w, http.StatusOK, map[string]any{"uuid": "7", "values": []any{}, "next": thief.URL + "/2.0/next"})
		return true
	}
	if err := c.PutComment(t.Context(), 3, marker, "x"); err == nil || !strings.Contains(err.Error(), "another place") {
		t.Errorf("a next page elsewhere: %v", err)
	}
	if len(taken) > 0 {
		t.Errorf("another host got %q", taken)
	}
}

// A renamed repository is redirected to on the same host; the request goes
// there as it was.
func TestARedirectOnTheSameHost(t *testing.T) {
	f, c := start(t, providers()[0])
	f.answer = func(w http.ResponseWriter) bool {
		f.answer = nil
		w.Header().Set("Location", "/repos/ops/infra/statuses/"+commitOne)
		w.WriteHeader(http.StatusMovedPermanently)
		return true
	}
	if err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "deployer/shop", State: Success, Description: "kept"}); err != nil {
		t.Fatal(err)
	}
	if len(f.statuses) != 1 || f.statuses[0].description != "kept" {
		t.Errorf("got %+v", f.statuses)
	}
	f.answer = func(w http.ResponseWriter) bool {
		w.Header().Set("Location", "/again")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	}
	if err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "x", State: Success}); !isRefusal(err) {
		t.Errorf("round and round: %v", err)
	}
}

func TestAnAnswerWithoutEnd(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	err := client(t, providers()[0], endless.URL).SetStatus(t.Context(), Status{Commit: commitOne, Context: "x", State: Success})
	if err == nil || !strings.Contains(err.Error(), "larger than 32 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerThatIsAPage(t *testing.T) {
	f, c := start(t, providers()[0])
	f.answer = func(w http.ResponseWriter) bool { _, _ = w.Write([]byte("<html>sign in")); return true }
	if err := c.SetStatus(t.Context(), Status{Commit: commitOne, Context: "x", State: Success}); !isRefusal(err) {
		t.Errorf("got %v", err)
	}
}

func TestATokenThatCannotBeReadMayBeThereLater(t *testing.T) {
	p := providers()[0]
	c, err := New(Options{Provider: p.name, API: "http://127.0.0.1:1", Repository: p.clone, Doer: &http.Client{},
		Token: func() (string, error) { return "", errors.New("open /etc/deployer/forge-token: no such file") }})
	if err != nil {
		t.Fatal(err)
	}
	err = c.SetStatus(context.Background(), Status{Commit: commitOne, Context: "x", State: Success})
	if err == nil || isRefusal(err) || !strings.Contains(err.Error(), "forge-token") {
		t.Errorf("got %v", err)
	}
}

// A branch policy of Azure's requires a status of the pull request; those of
// commits it does not see.
func TestAzureMarksThePullRequestToo(t *testing.T) {
	all := providers()
	p := all[slices.IndexFunc(all, func(p provider) bool { return p.name == "azure-devops" })]
	f, c := start(t, p)
	w := &world{t: t, store: store(t)}
	w.Reporter = NewReporter(ReporterOptions{
		Store: w.store, URL: "https://deploy.example.com", Now: time.Now, Log: slog.New(slog.NewTextHandler(w, nil)),
		Clients:      func() map[string]Client { return map[string]Client{"infra": c} },
		RepositoryOf: func(string) string { return "infra" }, Mask: func(text string) string { return text },
	})
	run := newRun("run-1", commitOne)
	run.Kind, run.Review = state.KindReview, &state.Review{Pull: 3, Head: commitOne}
	run.Error = "preflight: env failed"
	w.happens(ends(run, state.RunFailed))
	w.happens(ends(newRun("run-2", commitOne), state.RunSucceeded))
	l := &line{}
	for n := range uint64(2) {
		notice := &state.Notice{Number: n + 1, Run: fmt.Sprintf("run-%d", n+1), At: time.Now()}
		run := run
		if n == 1 {
			run = ends(newRun("run-2", commitOne), state.RunSucceeded)
		}
		if err := w.write(t.Context(), "infra", c, notice, run, l); err != nil {
			t.Fatal(err)
		}
	}
	statuses := f.statuses
	var pulls []fakeStatus
	for _, s := range statuses {
		if s.commit == "pull request 3" {
			pulls = append(pulls, s)
		}
	}
	if n := len(pulls); n == 0 || pulls[n-1].state != "failed" || pulls[n-1].context != "deployer/shop/plan" ||
		pulls[n-1].description != "cannot be deployed: preflight: env failed" || pulls[n-1].url != "https://deploy.example.com/runs/run-1" {
		t.Errorf("the pull request is marked %+v", pulls)
	}
	if statuses[len(statuses)-1].commit != commitOne {
		t.Errorf("a deploy marks %+v", statuses[len(statuses)-1])
	}
}
