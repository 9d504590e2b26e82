package e2e

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"deployer/internal/producttest"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// A hunt looks for secrets where they must not be, in every form in which
// they could be there.
type hunt struct {
	t     *testing.T
	forms map[string]string // form → what it is
	bytes int               // that were looked at
}

func newHunt(t *testing.T, canaries map[string]string) *hunt {
	h := &hunt{t: t, forms: map[string]string{}}
	for name, secret := range canaries {
		quoted, _ := json.Marshal(secret)
		h.forms[secret] = name
		h.forms[string(quoted[1:len(quoted)-1])] = name + " in JSON"
		h.forms[strings.ReplaceAll(string(quoted[1:len(quoted)-1]), `\u0026`, "&")] = name + " in JSON"
		h.forms[url.QueryEscape(secret)] = name + " in a query"
		h.forms[url.PathEscape(secret)] = name + " in a path"
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for before := range 3 {
				text := encoding.EncodeToString(append(make([]byte, before), secret...))
				h.forms[text[(before*8+5)/6:(before+len(secret))*8/6]] = name + " in base64"
			}
		}
	}
	return h
}

// look reports every canary in text.
func (h *hunt) look(where, text string) {
	h.t.Helper()
	h.bytes += len(text)
	for form, what := range h.forms {
		if at := strings.Index(text, form); at >= 0 {
			h.t.Errorf("%s holds %s: …%s…", where, what, text[max(0, at-80):min(len(text), at+len(form)+20)])
		}
	}
}

// finds reports whether text holds a canary: the proof that one travelled.
func (h *hunt) finds(text string) bool {
	for form := range h.forms {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

// folders looks at the names and the content of all files below the folders
// that the patterns match. A file for which allowed is true may hold a canary.
func (h *hunt) folders(allowed func(path string) bool, patterns ...string) (files int) {
	h.t.Helper()
	for _, pattern := range patterns {
		roots, err := filepath.Glob(pattern)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, root := range roots {
			_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err != nil || path == producttest.Binary(h.t) {
					return nil // another test's, gone by now; or the program itself
				}
				h.look("the name of "+path, path)
				if !d.Type().IsRegular() || allowed(path) {
					return nil
				}
				if raw, err := os.ReadFile(path); err == nil {
					files++
					h.look(path, string(raw))
				}
				return nil
			})
		}
	}
	return files
}

// commandLines looks at the arguments of every process of deployer.
func (h *hunt) commandLines() (processes int) {
	h.t.Helper()
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range lines {
		if raw, err := os.ReadFile(name); err == nil && strings.Contains(string(raw), "deployer") {
			processes++
			h.look(name, string(raw))
		}
	}
	return processes
}

// answers looks at all that the API and the page say.
func (h *hunt) answers(p *product) {
	h.t.Helper()
	paths := []string{"/api/v1/stacks", "/api/v1/stacks/" + p.Stack, "/api/v1/runs?limit=100", "/api/v1/releases?stack=" + p.Stack,
		"/api/v1/audit", "/api/v1/openapi.yaml", "/metrics", "/healthz", "/readyz"}
	pages := []string{"/", "/stacks/" + p.Stack, "/login"}
	for _, run := range p.History() {
		paths = append(paths, "/api/v1/runs/"+run.ID, "/api/v1/runs/"+run.ID+"/log")
		pages = append(pages, "/runs/"+run.ID)
	}
	for _, path := range paths {
		var text string
		if code := p.Call("admin", http.MethodGet, path, nil, &text); code != http.StatusOK {
			h.t.Errorf("GET %s: %d", path, code)
		}
		h.look(path, text)
	}
	browser := p.browser("admin")
	for _, path := range pages {
		h.look("page "+path, browser.open(path))
	}
	var plan string
	p.Call("admin", http.MethodPost, "/api/v1/stacks/"+p.Stack+"/plan", struct{}{}, &plan)
	h.look("plan", plan)
}

// labels looks at the labels of the stack's containers, and returns their
// environment, where the secrets belong.
func (h *hunt) labels(p *product) (environment string) {
	h.t.Helper()
	list, err := p.Engine.ContainerList(p.t.Context(), container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+p.Stack)),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, c := range list {
		full, err := p.Engine.ContainerInspect(p.t.Context(), c.ID)
		if err != nil {
			h.t.Fatal(err)
		}
		for key, value := range full.Config.Labels {
			h.look("label "+key+" of "+full.Name, key+"="+value)
		}
		environment += strings.Join(full.Config.Env, "\n")
	}
	return environment
}

// A browser is a person who is signed in.
type browser struct {
	p    *product
	http *http.Client
}

func (p *product) browser(role string) *browser {
	p.t.Helper()
	jar, _ := cookiejar.New(nil)
	b := &browser{p, &http.Client{Jar: jar}}
	res, err := b.http.PostForm(p.URL+"/login", url.Values{"token": {p.Keys[role]}, "next": {"/"}})
	if err != nil {
		p.t.Fatal(err)
	}
	_ = res.Body.Close()
	return b
}

// open returns the HTML of a page.
func (b *browser) open(path string) string {
	b.p.t.Helper()
	res, err := b.http.Get(b.p.URL + path)
	if err != nil {
		b.p.t.Fatal(err)
	}
	defer res.Body.Close()
	var text strings.Builder
	if err := res.Write(&text); err != nil {
		b.p.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		b.p.t.Fatalf("page %s: %s\n%s", path, res.Status, text.String())
	}
	return text.String()
}
