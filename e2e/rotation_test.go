package e2e

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/secrets"
	"deployer/state"
)

// underLoad does what rotate says while a developer pushes about ten times a
// second, until it is done and another version is live. It makes sure that
// every delivery was taken, that every run came to an end that loses nothing,
// that the last commit is live, and that the way back is open. Before it, a
// first version was live; its commit is given to rotate.
func (p *product) underLoad(rotate func(d *developer, first string)) {
	p.t.Helper()
	d := &developer{p: p, image: p.Image(), secret: p.Keys["hook"]}
	first := d.push(gittest.Files{".env.production": p.Sealed("PASSWORD=first-password\n")})
	producttest.MustEnd(p.t, p.Wait(d.runs[0]), state.RunSucceeded)

	rest := d.work()
	defer rest()
	began := time.Now()
	rotate(d, first)
	d.mustReach(d.push(nil))
	rest()
	p.t.Logf("%.1f deliveries a second", float64(len(d.commits))/time.Since(began).Seconds())
	d.push(nil)
	p.mustHaveLostNothing(d)

	if out, code := p.CLI("rollback", p.Stack, "--reason", "to see that it works"); code != 0 {
		p.t.Errorf("rollback: exit %d\n%s", code, out)
	}
}

func (p *product) mustHaveLostNothing(d *developer) {
	p.t.Helper()
	ends := map[state.RunStatus]int{}
	for _, id := range d.runs {
		run := p.Wait(id)
		ends[run.Status]++
		switch run.Status {
		case state.RunSucceeded, state.RunUnchanged, state.RunSuperseded:
		default:
			p.t.Errorf("run %s of %s ended %s: %s", id, run.Commit, run.Status, run.Error)
		}
	}
	p.t.Logf("%d deliveries, runs: %v", len(d.commits), ends)
	if len(d.refused) > 0 {
		p.t.Errorf("%d deliveries were refused, the first one with: %s", len(d.refused), d.refused[0])
	}
	if live, tip := p.Now().Live.Commit, d.commits[len(d.commits)-1]; live != tip {
		p.t.Errorf("%s is live, want the last commit %s", live, tip)
	}
	p.mustRunVersion(strconv.Itoa(len(d.commits)))
}

// replace puts a file in another's place at once, as `mv` does.
func (p *product) replace(name, content string) {
	p.t.Helper()
	p.Write(name+".new", content)
	if err := os.Rename(p.Path(name+".new"), p.Path(name)); err != nil {
		p.t.Fatal(err)
	}
}

func TestRotateAValueOfTheEnvFile(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	p.underLoad(func(d *developer, _ string) {
		d.mustReach(d.push(gittest.Files{".env.production": p.Sealed("PASSWORD=second-password\n")}))
	})
	if got := p.Environment("web")["PASSWORD"]; got != "second-password" {
		t.Errorf("after the rollback the password is %q; the release before the last one had the second", got)
	}
}

func TestEnvFileThatIsOnlyEncryptedAnewIsTheSameRelease(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	env := func() gittest.Files { return gittest.Files{".env.production": p.Sealed("PASSWORD=a-password\n")} }
	_, run := p.Push("one", and(oneService(p.Image(), "one"), env()))
	producttest.MustEnd(t, run, state.RunSucceeded)
	_, run = p.Push("encrypted anew", env())
	producttest.MustEnd(t, run, state.RunUnchanged)
}

func TestRotateTheAgeKey(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		t.Fatal(err)
	}
	var first string
	p.underLoad(func(d *developer, commit string) {
		first = commit
		p.Write("age-new.key", identity.Reveal())
		p.edit("/age.key]", "/age.key, "+p.Path("age-new.key")+"]")
		p.mustReload()
		p.Age = recipient
		d.mustReach(d.push(gittest.Files{".env.production": p.Sealed("PASSWORD=second-password\n")}))
		p.edit(p.Path("age.key")+", ", "")
		p.mustReload()
		if err := os.Remove(p.Path("age.key")); err != nil {
			t.Fatal(err)
		}
	})
	// What was encrypted to the old key can be run again all the same.
	if out, code := p.CLI("rollback", p.Stack, "--to", first, "--reason", "encrypted to a key that is gone"); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	p.mustRunVersion("1")
	if got := p.Environment("web")["PASSWORD"]; got != "first-password" {
		t.Errorf("the password is %q", got)
	}
}

func TestRotateTheWebhooksSecret(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	p.Keys["new hook"] = "canary-new-hook-secret"
	p.underLoad(func(d *developer, _ string) {
		p.Write("hook-new.secret", p.Keys["new hook"])
		p.edit("secret_file: "+p.Path("hook.secret"), "secrets_file: ["+p.Path("hook-new.secret")+", "+p.Path("hook.secret")+"]")
		p.mustReload()
		d.signWith(p.Keys["new hook"])
		d.push(nil)
		p.edit("secrets_file: ["+p.Path("hook-new.secret")+", "+p.Path("hook.secret")+"]", "secret_file: "+p.Path("hook-new.secret"))
		p.mustReload()
	})
	body := `{"ref": "refs/heads/main", "after": "` + strings.Repeat("1", 40) + `"}`
	if status, answer := p.Post([]byte(body), sign(p.Keys["hook"], body), "late"); status != http.StatusUnauthorized {
		t.Errorf("a delivery signed with the old secret got %d %s", status, answer)
	}
}

func TestRotateAnAPIToken(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	asViewer := func() int { return p.Call("viewer", http.MethodGet, "/api/v1/stacks", nil, nil) }
	old := p.Keys["viewer"]
	p.underLoad(func(*developer, string) {
		made, code := p.CLI("token", "viewer-new", "--role", "viewer")
		parts := regexp.MustCompile(`again\): (\S+)\n.*\n(  - \{.*\}\n)`).FindStringSubmatch(made)
		if code != 0 || parts == nil {
			t.Fatalf("deployer token: exit %d\n%s", code, made)
		}
		p.edit("tokens:\n", "tokens:\n"+parts[2])
		p.mustReload()
		if got := asViewer(); got != http.StatusOK {
			t.Errorf("the old token got %d while both are there", got)
		}
		p.Keys["viewer"] = parts[1]
		if got := asViewer(); got != http.StatusOK {
			t.Errorf("the new token got %d", got)
		}
		p.edit(fmt.Sprintf("  - {name: viewer-of-test, role: viewer, sha256: %x}\n", sha256.Sum256([]byte(old))), "")
		p.mustReload()
	})
	if got := asViewer(); got != http.StatusOK {
		t.Errorf("the new token got %d", got)
	}
	if p.Keys["viewer"] = old; asViewer() != http.StatusUnauthorized {
		t.Error("the old token is still taken")
	}
}

func TestRotateTheRepositorysPassword(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	const replacement = "canary-replacement-of-the-password"
	accept := func(passwords ...string) {
		p.Git.Before(func(w http.ResponseWriter, r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			for _, accepted := range passwords {
				if user == "deployer" && password == accepted {
					r.SetBasicAuth(user, p.Keys["git"])
					return false
				}
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return true
		})
	}
	p.underLoad(func(d *developer, _ string) {
		accept(p.Keys["git"], replacement)
		p.replace("git.password", replacement) // read at the next fetch, without a reload
		d.mustReach(d.push(nil))
		accept(replacement)
	})
}

// A repository whose password was changed before deployer knew it: what
// failed meanwhile is made up for once it does.
func TestPushThatTheRepositoryRefusedIsMadeUpForAfterAReload(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	p.edit("poll: 0", "poll: 1h")
	p.mustReload()
	p.Git.RequireAuth("deployer", "another")
	commit, run := p.Push("one", oneService(p.Image(), "one"))
	producttest.MustEnd(t, run, state.RunFailed)
	p.replace("git.password", "another")
	p.mustReload()
	p.Eventually(2*time.Minute, "the commit is live", func() bool { s := p.Now(); return s.LastGood != nil && s.LastGood.Commit == commit })
}
