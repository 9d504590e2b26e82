package server

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

var loadDocument = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(openapi3.NewLoader().Context)
})

// conforming checks every answer of a documented route against the document.
func conforming(t testing.TB, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		checkHeaders(t, resp)
		route, parameters, err := router.FindRoute(req)
		if err != nil || strings.HasSuffix(req.URL.Path, "/") { // which this router takes for the path without it
			return resp, nil
		}
		return resp, conforms(t, req, resp, route, parameters)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (rt roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return rt(req) }

func checkHeaders(t testing.TB, resp *http.Response) {
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control"} {
		if resp.Header.Get(name) == "" {
			t.Errorf("%s %s: %s is missing", resp.Request.Method, resp.Request.URL.Path, name)
		}
	}
}

func conforms(t testing.TB, req *http.Request, resp *http.Response, route *routers.Route, parameters map[string]string) error {
	stream := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: route, PathParams: parameters},
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: stream},
	}
	if !stream {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		input.SetBodyBytes(body)
		checkHint(t, resp, body)
	}
	if err := openapi3filter.ValidateResponse(req.Context(), input); err != nil {
		t.Errorf("%s %s answered %d, which the document does not have so: %v", req.Method, req.URL.Path, resp.StatusCode, err)
	}
	return nil
}

// checkHint holds that whoever is refused is told what to do next.
func checkHint(t testing.TB, resp *http.Response, body []byte) {
	if resp.StatusCode < 400 {
		return
	}
	var p problem
	if err := json.Unmarshal(body, &p); err != nil || p.Hint == "" || p.Detail == "" || p.Status != resp.StatusCode {
		t.Errorf("%s answered %d with %s: a problem needs its status, a detail and a hint", resp.Request.URL.Path, resp.StatusCode, body)
	}
}

func TestDocumentAndRoutesAreTheSame(t *testing.T) {
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	var documented, registered []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	parameter := regexp.MustCompile(`:([a-z]+)`)
	for _, r := range newFixture(t).table() {
		if !r.page {
			registered = append(registered, r.method+" "+parameter.ReplaceAllString(r.path, "{$1}"))
		}
	}
	slices.Sort(documented)
	slices.Sort(registered)
	if !slices.Equal(documented, registered) {
		t.Errorf("documented:\n%s\nregistered:\n%s", strings.Join(documented, "\n"), strings.Join(registered, "\n"))
	}
}

func TestDocumentNamesTheRoleOfEveryRoute(t *testing.T) {
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range newFixture(t).table() {
		if r.page {
			continue
		}
		path := regexp.MustCompile(`:([a-z]+)`).ReplaceAllString(r.path, "{$1}")
		operation := doc.Paths.Value(path).GetOperation(r.method)
		if r.role == open {
			if operation.Security == nil || len(*operation.Security) != 0 {
				t.Errorf("%s %s is open, the document asks for a token", r.method, path)
			}
			continue
		}
		if !strings.HasSuffix(operation.Summary, "("+string(r.role)+")") {
			t.Errorf("%s %s needs %s, the document says %q", r.method, path, r.role, operation.Summary)
		}
	}
}

func TestDocumentIsOpenToAll(t *testing.T) {
	f := newFixture(t)
	a := f.call(open, http.MethodGet, "/api/v1/openapi.yaml", "").expect(t, http.StatusOK)
	if a.body != string(document) {
		t.Error("another document was sent than the one that is embedded")
	}
}
