package server

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"deployer/state"
)

// policy lets a page load its own style and nothing else: there is no script.
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// refreshEvery is how often a page that shows something under way is loaded
// again, in seconds.
const refreshEvery = 3

//go:embed templates
var templateFiles embed.FS

//go:embed static/style.css
var style []byte

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"short":   func(id string) string { return id[:min(len(id), 12)] },
	"when":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"words":   func(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") },
}).ParseFS(templateFiles, "templates/*.html"))

// A page is what every template gets: what the frame shows, and its own content.
type page struct {
	Title   string
	User    string // signed in; empty on the pages before that
	Role    Role
	Refresh int // seconds; 0 for a page that stays
	Content any
}

// show writes a page of the caller's.
func (s *Server) show(c *call, name string, p page) error {
	p.User, p.Role = c.token.Name, c.token.Role
	return render(c, http.StatusOK, name, p)
}

// render fills a template before the first byte is sent, so that one that
// fails does not leave half a page.
func render(c echo.Context, status int, name string, p page) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, p); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	return c.HTMLBlob(status, b.Bytes())
}

// problemPage shows a problem to a person, and the way in where it is only
// that they are not signed in.
func (s *Server) problemPage(c echo.Context, p *problem) error {
	if p.Status == http.StatusUnauthorized {
		return render(c, p.Status, "login.html", page{Title: "Sign in",
			Content: loginForm{Next: localPath(c.Request().URL.Path), Problem: p.Detail}})
	}
	return render(c, p.Status, "problem.html", page{Title: p.Title, Content: p})
}

func (s *Server) getStyle(c *call) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=3600")
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", style)
}

type stacksContent struct {
	Rows    []stackRow
	Reviews []*state.Run // of what is no stack, so that no stack's page has them
}

type stackRow struct {
	*stackView
	Last *state.Run // nil before the first one
}

func (s *Server) stacksPage(c *call) error {
	views, err := s.viewStacks(c.Request().Context(), s.Stacks.Names())
	if err != nil {
		return err
	}
	p := page{Title: "Stacks"}
	rows := make([]stackRow, len(views))
	for i, v := range views {
		runs, _, err := s.findRuns(state.RunQuery{Stack: v.Name, Limit: 1})
		if err != nil {
			return err
		}
		rows[i].stackView = v
		if len(runs) > 0 {
			rows[i].Last = runs[0]
		}
		if v.Operation != operationIdle {
			p.Refresh = refreshEvery
		}
	}
	reviews, err := s.strayReviews()
	if err != nil {
		return err
	}
	p.Content = stacksContent{rows, reviews}
	return s.show(c, "stacks.html", p)
}

// strayReviews are the newest open reviews of folders that are no stack, or not
// yet, and of pull requests whose folders are not known.
func (s *Server) strayReviews() ([]*state.Run, error) {
	names := s.Stacks.Names()
	reviews, _, err := s.findRuns(state.RunQuery{Kind: state.KindReview, Limit: 10 * pageReviews})
	reviews = slices.DeleteFunc(reviews, func(r *state.Run) bool {
		return slices.Contains(names, r.Stack) || r.Review.Ended != "" || r.Status == state.RunSuperseded
	})
	return reviews[:min(pageReviews, len(reviews))], err
}
