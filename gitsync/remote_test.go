package gitsync_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

const password = "s3cr3t/p@ss w0rd"

func TestCredentials(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	server := gittest.Serve(t, repo)
	server.RequireAuth("deployer", password)
	file := filepath.Join(t.TempDir(), "git-token")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, _ := open(t, gitsync.Remote{URL: server.URL, Username: "deployer", Password: gitsync.CredentialFile(file)})
	refused := func(m *gitsync.Mirror, says string) {
		t.Helper()
		_, err := m.Fetch(context.Background(), "main")
		if !errors.Is(err, gitsync.ErrAuth) || gitsync.Retryable(err) || !strings.Contains(told(err), says) {
			t.Errorf("got %v, want ErrAuth that says %q", err, says)
		}
	}

	write("wrong\n")
	refused(m, file)
	write(password + "\n")
	mustFetch(t, m, "main")
	server.RequireAuth("deployer", "rotated")
	refused(m, file)
	write("rotated")
	mustFetch(t, m, "main")

	none, _ := open(t, gitsync.Remote{URL: server.URL})
	refused(none, "no credentials are configured")

	missing, _ := open(t, gitsync.Remote{URL: server.URL, Password: gitsync.CredentialFile(file + ".gone")})
	if _, err := missing.Fetch(context.Background(), "main"); err == nil || !strings.Contains(err.Error(), file+".gone") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestCredentialsAreInNoError(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	server := gittest.Serve(t, repo)
	server.RequireAuth("deployer", "another")
	server.Before(func(w http.ResponseWriter, r *http.Request) bool { // a server that repeats what it got
		if strings.HasPrefix(r.URL.Path, "/echo/") {
			user, pass, _ := r.BasicAuth()
			http.Error(w, user+":"+pass+" "+r.Header.Get("Authorization")+" https://"+user+":"+url.QueryEscape(pass)+"@host/", http.StatusForbidden)
			return true
		}
		return false
	})
	closed := gittest.Serve(t, repo)
	closed.Close()
	userinfo := url.UserPassword("deployer", password).String()
	for _, base := range []string{
		server.URL, strings.Replace(server.URL, "/repo.git", "/echo/repo.git", 1), closed.URL,
		"http://127.0.0.1:1/%zz", "http://no-such-host.invalid/x.git", "ftp://host/x", "https:///x", "ssh://127.0.0.1:1/x",
	} {
		scheme, rest, _ := strings.Cut(base, "://")
		for _, remote := range []gitsync.Remote{
			{URL: scheme + "://" + userinfo + "@" + rest},
			{URL: base, Username: "deployer", Password: gitsync.Credential{Read: func() (string, error) { return password, nil }}},
		} {
			m, _ := open(t, remote, gitsync.WithStall(5*time.Second))
			_, err := m.Fetch(context.Background(), "main")
			if err == nil {
				t.Errorf("%s: no error", base)
				continue
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				for _, secret := range []string{password, "s3cr3t", url.QueryEscape(password)} {
					if strings.Contains(told(e), secret) {
						t.Errorf("%s: %q is in the error: %s", base, secret, told(e))
					}
				}
			}
			if !strings.Contains(err.Error(), strings.TrimPrefix(rest, "/")) {
				t.Errorf("the error does not say where: %s", err)
			}
		}
	}
}

func TestStripUserInfo(t *testing.T) {
	for in, want := range map[string]string{
		"https://user:pass@host/path":                     "https://host/path",
		"get https://tok%40en@host/p and ssh://git@h:22/": "get https://host/p and ssh://h:22/",
		"http://a:b@c@host/x":                             "http://host/x",
		"https://host/path@v1":                            "https://host/path@v1",
		"git@host:path":                                   "git@host:path",
		`Get "https://u:p@host": refused`:                 `Get "https://host": refused`,
	} {
		if got := gitsync.StripUserInfo(in); got != want {
			t.Errorf("StripUserInfo(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCAFile(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	server := gittest.ServeTLS(t, repo)
	m, _ := open(t, gitsync.Remote{URL: server.URL})
	_, err := m.Fetch(context.Background(), "main")
	if !errors.Is(err, gitsync.ErrUntrusted) || gitsync.Retryable(err) || !strings.Contains(told(err), "ca_file") {
		t.Errorf("without the CA: %v, want ErrUntrusted", err)
	}
	m, _ = open(t, gitsync.Remote{URL: server.URL, CAFile: server.CA(t)})
	mustFetch(t, m, "main")

	none := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(none, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, _ = open(t, gitsync.Remote{URL: server.URL, CAFile: none})
	if _, err := m.Fetch(context.Background(), "main"); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("an empty CA file: %v", err)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	for _, u := range []string{"", "ftp://host/x", "git://host/x", "relative/path", "./x", "https:///x", "javascript:alert(1)"} {
		m, _ := open(t, gitsync.Remote{URL: u})
		if _, err := m.Fetch(context.Background(), "main"); err == nil || gitsync.Retryable(err) {
			t.Errorf("%q: %v, want a permanent error", u, err)
		}
	}
}

func TestLocalRepositoryOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder to another user")
	}
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	if err := os.Chown(repo.Dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"} {
		t.Setenv(name, os.DevNull)
	}
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	if _, err := m.Fetch(context.Background(), "main"); !errors.Is(err, gitsync.ErrAuth) || !strings.Contains(told(err), "safe.directory "+repo.Dir) {
		t.Errorf("got %v, want what to do", err)
	}
}
