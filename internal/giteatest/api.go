package giteatest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A User has a password, and may have tokens.
type User struct {
	s              *Server
	Name, Password string
}

// User makes a user.
func (s *Server) User(name string) *User {
	s.t.Helper()
	u := &User{s: s, Name: name, Password: "canary-password-of-" + name}
	s.Must(s.admin, http.MethodPost, "/admin/users", map[string]any{
		"username": name, "email": name + "@example.com", "password": u.Password, "must_change_password": false,
	}, nil)
	return u
}

// Token makes a token with these scopes, such as write:repository.
func (u *User) Token(scopes ...string) string {
	u.s.t.Helper()
	var made struct{ Sha1 string }
	err := u.s.call(func(r *http.Request) { r.SetBasicAuth(u.Name, u.Password) }, http.MethodPost, "/users/"+u.Name+"/tokens",
		map[string]any{"name": rand.Text(), "scopes": scopes}, &made)
	if err != nil {
		u.s.t.Fatal(err)
	}
	return made.Sha1
}

// Repository makes an empty private repository of the user, and returns its
// URL without credentials.
func (u *User) Repository(name string) string {
	u.s.t.Helper()
	u.s.Must(u.s.admin, http.MethodPost, "/admin/users/"+u.Name+"/repos", map[string]any{"name": name, "private": true, "default_branch": "main"}, nil)
	return u.s.URL + "/" + u.Name + "/" + name + ".git"
}

// Git is a clone URL of the user, with the password.
func (u *User) Git(repository string) string {
	return strings.Replace(repository, "://", "://"+url.UserPassword(u.Name, u.Password).String()+"@", 1)
}

// Must sends a request to the API, below /api/v1, and decodes the answer. The
// test fails where the server refuses.
func (s *Server) Must(token, method, path string, body, out any) {
	s.t.Helper()
	if err := s.Call(token, method, path, body, out); err != nil {
		s.t.Fatal(err)
	}
}

// Call is Must of what may be refused.
func (s *Server) Call(token, method, path string, body, out any) error {
	return s.call(func(r *http.Request) { r.Header.Set("Authorization", "token "+token) }, method, path, body, out)
}

func (s *Server) call(sign func(*http.Request), method, path string, body, out any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, s.URL+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	sign(req)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if raw, err = io.ReadAll(res.Body); err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s answered %s: %s", method, path, res.Status, raw)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}
