package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"deployer/state"
)

// browse asks for a page as a browser does, with the cookie of a session.
func (f *fixture) browse(method, path, form string, cookies []*http.Cookie) answer {
	f.t.Helper()
	req := f.request(open, method, path, form)
	req.Header.Set("Accept", "text/html,application/xhtml+xml")
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	return f.do(req)
}

func (f *fixture) signIn(role Role, next string) answer {
	f.t.Helper()
	form := url.Values{"token": {secretOf[role]}, "next": {next}}
	return f.browse(http.MethodPost, "/login", form.Encode(), nil).expect(f.t, http.StatusSeeOther)
}

func TestSigningInAndOut(t *testing.T) {
	f := newFixture(t)
	a := f.browse(http.MethodGet, "/stacks/registry", "", nil).expect(t, http.StatusUnauthorized)
	if !strings.Contains(a.body, `name="next" value="/stacks/registry"`) {
		t.Errorf("no way in is shown: %s", a.body)
	}
	a = f.signIn(RoleViewer, "/stacks/registry")
	if a.Header.Get("Location") != "/stacks/registry" {
		t.Errorf("led to %s", a.Header.Get("Location"))
	}
	cookies := a.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || cookies[0].Secure {
		t.Errorf("the cookie is %v", cookies)
	}
	a = f.browse(http.MethodGet, "/stacks/registry", "", cookies).expect(t, http.StatusOK)
	if !strings.Contains(a.body, "the-viewer (viewer)") {
		t.Errorf("the page does not say who is signed in")
	}
	f.browse(http.MethodPost, "/logout", "", cookies).expect(t, http.StatusSeeOther)
	f.browse(http.MethodGet, "/stacks/registry", "", cookies).expect(t, http.StatusUnauthorized)
}

func TestSessionIsNoBearerToken(t *testing.T) {
	f := newFixture(t)
	cookies := f.signIn(RoleAdmin, "/").Cookies()
	f.browse(http.MethodPost, "/api/v1/stacks/registry/deploy", "{}", cookies).expect(t, http.StatusUnauthorized)
}

func TestSessionEnds(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(o *Options) { o.Now = func() time.Time { return now } })
	cookies := f.signIn(RoleViewer, "/").Cookies()
	f.browse(http.MethodGet, "/", "", cookies).expect(t, http.StatusOK)
	now = now.Add(sessionLength)
	f.browse(http.MethodGet, "/", "", cookies).expect(t, http.StatusUnauthorized)

	cookies = f.signIn(RoleViewer, "/").Cookies()
	f.Reload(Access{Tokens: []Token{tokenOf(RoleAdmin)}})
	f.browse(http.MethodGet, "/", "", cookies).expect(t, http.StatusUnauthorized)
}

func TestSessionsStayFew(t *testing.T) {
	var s sessions
	now := time.Now()
	first := s.begin(tokenOf(RoleViewer).SHA256, now)
	for i := range maxSessions {
		s.begin(tokenOf(RoleViewer).SHA256, now.Add(time.Duration(i+1)*time.Second))
	}
	if _, ok := s.token(first, now); ok || len(s.by) > maxSessions {
		t.Errorf("%d sessions are kept, the oldest among them: %t", len(s.by), ok)
	}
}

func TestWrongTokensAreCountedAtTheDoorToo(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.FailedAuth = 2 })
	for range 2 {
		f.browse(http.MethodPost, "/login", "token=guess", nil).expect(t, http.StatusUnauthorized)
	}
	f.browse(http.MethodPost, "/login", "token="+secretOf[RoleAdmin], nil).expect(t, http.StatusTooManyRequests)
}

func TestTokensInURLsAreNotTaken(t *testing.T) {
	f := newFixture(t)
	f.browse(http.MethodPost, "/login?token="+secretOf[RoleAdmin], "next=/", nil).expect(t, http.StatusUnauthorized)
}

func TestCookieIsSecureBehindHTTPS(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.URL = "https://deploy.example.com" })
	if c := f.signIn(RoleViewer, "/").Cookies(); !c[0].Secure {
		t.Error("the cookie would be sent in the clear")
	}
}

func TestNobodyIsLedToAnotherSite(t *testing.T) {
	f := newFixture(t)
	for _, next := range []string{"//evil.example", "https://evil.example/", "/\\evil.example", "/stacks/../../x", "/stacks//evil.example", "javascript:alert(1)", "/login"} {
		if got := f.signIn(RoleViewer, next).Header.Get("Location"); got != "/" {
			t.Errorf("%s leads to %s", next, got)
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.URL = "https://deploy.example.com/" })
	for origin, status := range map[string]int{
		"https://evil.example":       http.StatusForbidden,
		"https://deploy.example.com": http.StatusSeeOther,
	} {
		req := f.request(open, http.MethodPost, "/login", "token="+secretOf[RoleViewer])
		req.Header.Set("Origin", origin)
		f.do(req).expect(t, status)
	}
}

func TestPagesShowWhatIsGoingOn(t *testing.T) {
	f := newFixture(t)
	at := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	run := f.putRun("registry", state.RunFailed, func(r *state.Run) {
		r.Commit, r.Subject, r.Error, r.Hint = commitA, "<script>alert(1)</script>", "dns: wrong address", "set the record"
		r.Stages = []state.StageResult{{Name: state.StagePreflight, Status: state.StageFailed, StartedAt: &at, Steps: []state.Step{
			{Name: "dns registry.example.com", Status: state.StepFailed, Message: "got 198.51.100.1", Hint: "set the A record", DurationMS: 12},
		}}}
		r.Changes = &state.Changes{Services: []state.ServiceChange{{Name: "web", Action: state.ActionRecreate, Why: "image"}}}
	})
	f.appendLog(run.ID, 0, "resolving…\n")
	f.update(func(tx *state.Tx) error {
		release := &state.Release{ID: "f1", Stack: "registry", Commit: commitB, Run: run.ID, At: at, VerifiedAt: &at}
		if err := tx.PutRelease(release, nil); err != nil {
			return err
		}
		return tx.PutStack(&state.Stack{Name: "registry", Live: release, LastGood: release, Head: commitA,
			Lock: &state.Lock{Reason: "migration", By: "ada", At: at}, Pin: &state.Pin{Commit: commitB, By: "bob", At: at},
			Quarantined: []state.Quarantine{{Release: "f2", Commit: commitA, Run: run.ID, Why: "it broke", At: at}}})
	})
	cookies := f.signIn(RoleViewer, "/").Cookies()
	for path, shown := range map[string][]string{
		"/":                 {"registry", "pinned", "locked", "healthy", commitB[:12], "failed", "website", "never deployed"},
		"/stacks/registry":  {"migration", "ada", "bob", "it broke", run.ID, "f1", "2026-01-31 08:00:00 UTC"},
		"/stacks/website":   {"No run yet", "nothing"},
		"/runs/" + run.ID:   {"preflight", "got 198.51.100.1", "set the A record", "dns: wrong address", "recreate", "resolving…", "&lt;script&gt;"},
		"/static/style.css": {"body"},
	} {
		a := f.browse(http.MethodGet, path, "", cookies).expect(t, http.StatusOK)
		for _, text := range shown {
			if !strings.Contains(a.body, text) {
				t.Errorf("%s does not show %q", path, text)
			}
		}
		if strings.Contains(a.body, "<script") {
			t.Errorf("%s has a script", path)
		}
		if strings.Contains(a.body, "http-equiv") {
			t.Errorf("%s is loaded again although nothing is under way", path)
		}
		if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s has the policy %s", path, csp)
		}
	}
}

func TestPagesAreLoadedAgainWhileARunIsUnderWay(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	cookies := f.signIn(RoleViewer, "/").Cookies()
	for _, path := range []string{"/", "/stacks/registry", "/runs/" + run.ID} {
		if a := f.browse(http.MethodGet, path, "", cookies); !strings.Contains(a.body, `http-equiv="refresh"`) {
			t.Errorf("%s stays as it is", path)
		}
	}
}

func TestLongLogsAreShownFromTheirEnd(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunSucceeded)
	f.appendLog(run.ID, 0, "the first line\n"+strings.Repeat("in between\n", 3000)+"the last line\n")
	a := f.browse(http.MethodGet, "/runs/"+run.ID, "", f.signIn(RoleViewer, "/").Cookies()).expect(t, http.StatusOK)
	if strings.Contains(a.body, "the first line") || !strings.Contains(a.body, "the last line") || !strings.Contains(a.body, "This is the end of it") {
		t.Error("the wrong part of the log is shown")
	}
	if !strings.Contains(a.body, `aria-label="Log">in between`) {
		t.Error("the log begins in the middle of a line")
	}
}

func TestPeopleGetTheirProblemsAsPages(t *testing.T) {
	f := newFixture(t)
	cookies := f.signIn(RoleViewer, "/").Cookies()
	for _, path := range []string{"/stacks/other", "/runs/none", "/nothing"} {
		a := f.browse(http.MethodGet, path, "", cookies).expect(t, http.StatusNotFound)
		if !strings.Contains(a.body, "What to do") || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s answers %s", path, a.body)
		}
	}
}
