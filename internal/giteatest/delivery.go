package giteatest

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// A Page is a webhook's page, which shows its deliveries and sends them again;
// the API does neither.
type Page struct {
	s      *Server
	url    string
	client *http.Client
}

// A Delivery is one that the page shows.
type Delivery struct {
	ID     string
	Event  string
	Status string // of HTTP; empty where nothing has answered yet
	Answer string // body
}

// Webhook signs the user in and opens the page of a webhook.
func (u *User) Webhook(repository string, hook int64) *Page {
	u.s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		u.s.t.Fatal(err)
	}
	p := &Page{s: u.s, client: &http.Client{Jar: jar}, url: fmt.Sprintf("%s/%s/%s/settings/hooks/%d", u.s.URL, u.Name, repository, hook)}
	login := u.s.URL + "/user/login"
	p.post(login, login, url.Values{"user_name": {u.Name}, "password": {u.Password}})
	return p
}

var (
	uuid     = regexp.MustCompile(`^\d+">([0-9a-f-]{36})</a>`)
	event    = regexp.MustCompile(`X-Gitea-Event:</strong> (\w+)`)
	answered = regexp.MustCompile(`<span class="ui (?:green|red) label">(\d+)</span>`)
	body     = regexp.MustCompile(`(?s)<pre class="webhook-info"><code>(.*?)</code></pre>`)
	csrf     = regexp.MustCompile(`name="_csrf" value="([^"]+)"`)
)

// Deliveries are the newest ones, the newest first.
func (p *Page) Deliveries() (all []Delivery) {
	p.s.t.Helper()
	for _, part := range strings.Split(p.read(http.NewRequest(http.MethodGet, p.url, nil)), `data-panel="#info-`)[1:] {
		all = append(all, Delivery{first(uuid, part), first(event, part), first(answered, part), html.UnescapeString(first(body, part))})
	}
	return all
}

// Redeliver has Gitea send a delivery again.
func (p *Page) Redeliver(id string) {
	p.s.t.Helper()
	p.post(p.url, p.url+"/replay/"+id, url.Values{})
}

// post sends a form of a page.
func (p *Page) post(page, to string, form url.Values) {
	p.s.t.Helper()
	form.Set("_csrf", html.UnescapeString(first(csrf, p.read(http.NewRequest(http.MethodGet, page, nil)))))
	req, err := http.NewRequest(http.MethodPost, to, strings.NewReader(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	p.read(req, err)
}

func (p *Page) read(req *http.Request, err error) string {
	p.s.t.Helper()
	if err != nil {
		p.s.t.Fatal(err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.s.t.Fatalf("%s %s answered %s, %v", req.Method, req.URL, res.Status, err)
	}
	return string(raw)
}

// first is the first group of the first match; empty where there is none.
func first(of *regexp.Regexp, text string) string {
	if found := of.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}
