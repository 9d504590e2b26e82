package gitsync_test

import (
	"errors"
	"strings"
	"testing"

	"deployer/gitsync"
)

const (
	secret = "parent-secret"
	lent   = "lent-secret"
)

func credential(text string) gitsync.Credential {
	return gitsync.Credential{Source: text, Read: func() (string, error) { return text, nil }}
}

// What a repository's .gitmodules can make the server talk to, and with which
// credentials.
func TestWhereSubmodulesMayComeFrom(t *testing.T) {
	web := gitsync.Remote{URL: "https://git.example.com/ops/infra.git", Username: "deployer", Password: credential(secret), CAFile: "/ca"}
	key := gitsync.Remote{URL: "git@git.example.com:ops/infra.git", SSHKeyFile: "/key", KnownHostsFile: "/known"}
	file := gitsync.Remote{URL: "file:///srv/git/infra.git"}
	listing := func(r gitsync.Remote, from ...string) gitsync.Remote {
		r.Submodules.From = from
		r.Submodules.Lend = []gitsync.Remote{
			{URL: "https://other.example.com/acme/lib", Username: "deployer", Password: credential(lent)},
			{URL: "https://git.example.com/ops/private.git", Username: "deployer", Password: credential(lent)},
			{URL: "ssh://git@other.example.com:2222/acme/lib.git", SSHKeyFile: "/lent", KnownHostsFile: "/known"},
		}
		return r
	}
	off := web
	off.Submodules.Off = true
	const none = ""
	for _, c := range []struct {
		name   string
		parent gitsync.Remote
		url    string
		want   string // the address; or a part of why not
		with   string // credentials
	}{
		{"beside", web, "../lib.git", "https://git.example.com/ops/lib.git", secret},
		{"below", web, "./lib", "https://git.example.com/ops/infra.git/lib", secret},
		{"two up", web, "../../acme/lib.git", "https://git.example.com/acme/lib.git", secret},
		{"over the top", web, "../../../evil.example.com/x", "leads out of the server", none},
		{"over the top later", web, "../a/../../../x", "more than one way", none},
		{"the same server", web, "https://git.example.com/x/y", "https://git.example.com/x/y", secret},
		{"the same server, spelled oddly", web, "HTTPS://GIT.example.com:443/x/y/", "https://git.example.com/x/y", secret},
		{"no TLS", web, "http://git.example.com/x/y", "another server", none},
		{"another port", web, "https://git.example.com:8443/x/y", "another server", none},
		{"another server", web, "https://other.example.com/acme/lib.git", "another server", none},
		{"a name that begins like it", web, "https://git.example.com.evil.example/x", "another server", none},
		{"a user that looks like it", web, "https://git.example.com@evil.example/x", "holds credentials", none},
		{"a password", web, "https://u:p@git.example.com/x", "holds credentials", none},
		{"a query", web, "https://git.example.com/x?token=1", "holds credentials", none},
		{"a backslash", web, `https://git.example.com\@evil.example/x`, "not one of", none},
		{"escaped dots", web, "https://git.example.com/acme/%2e%2e/x", "more than one way", none},
		{"dots", web, "https://git.example.com/acme/../x", "more than one way", none},
		{"ssh from http", web, "git@git.example.com:x/y.git", "another server", none},
		{"an option", web, "--upload-pack=touch /tmp/x", "not one of", none},
		{"an option as a path", key, "git@git.example.com:-x", "not one of", none},
		{"an option as a host", key, "ssh://-oProxyCommand=x/y", "not one of", none},
		{"an option as a user", key, "ssh://-l@git.example.com/y", "not one of", none},
		{"an option below", web, "../--upload-pack=x", "more than one way", none},
		{"a helper", web, "ext::sh -c touch% /tmp/x", "not one of", none},
		{"a helper without blanks", web, "ext::sh", "not one of", none},
		{"git", web, "git://git.example.com/x", "not one of", none},
		{"a line break", web, "https://git.example.com/x\nHost: evil", "not one of", none},
		{"this machine from a server", web, "file:///srv/git/secret.git", "cannot have a submodule on this machine", none},
		{"a path from a server", web, "/srv/git/secret.git", "cannot have a submodule on this machine", none},
		{"a relative path", web, "lib.git", "not one of", none},
		{"nothing", web, "", "not one of", none},

		{"ssh beside", key, "../lib.git", "git@git.example.com:ops/lib.git", "/key"},
		{"ssh in its long form", key, "ssh://git@git.example.com/ops/lib.git", "ssh://git@git.example.com/ops/lib.git", "/key"},
		{"ssh over the top", key, "../../../x", "leads out of the server", none},
		{"another user", key, "root@git.example.com:x/y.git", "another server", none},
		{"a port in the short form", key, "git@git.example.com:2222:x/y.git", "not one of", none},
		{"http from ssh", key, "https://git.example.com/ops/lib.git", "another server", none},

		{"file beside", file, "../lib.git", "file:///srv/git/lib.git", none},
		{"file elsewhere", file, "file:///home/x/secret.git", "not in the folder beside", none},
		{"file above", file, "../../secret.git", "not in the folder beside", none},
		{"file elsewhere, listed", listing(file, "file:///home/x/"), "/home/x/lib.git", "file:///home/x/lib.git", none},

		{"listed and lent", listing(web, "https://other.example.com/acme/"), "https://other.example.com/acme/lib.git", "https://other.example.com/acme/lib.git", lent},
		{"listed", listing(web, "https://other.example.com/acme/"), "https://other.example.com/acme/more.git", "https://other.example.com/acme/more.git", none},
		{"listed folders end at a slash", listing(web, "https://other.example.com/acme"), "https://other.example.com/acme-evil/x.git", "lists no url", none},
		{"a list takes the place of the default", listing(web, "https://other.example.com/acme/"), "../lib.git", "lists no url", none},
		{"listed on the own server", listing(web, "https://git.example.com/ops/"), "../lib.git", "https://git.example.com/ops/lib.git", secret},
		{"lent before the own", listing(web, "https://git.example.com/"), "../private.git", "https://git.example.com/ops/private.git", lent},
		{"not lent without a list", func() gitsync.Remote { r := listing(web); return r }(), "../private.git", "https://git.example.com/ops/private.git", secret},
		{"ssh lent", listing(web, "ssh://git@other.example.com:2222/acme/"), "ssh://git@other.example.com:2222/acme/lib", "ssh://git@other.example.com:2222/acme/lib", "/lent"},
		{"ssh without a key", listing(web, "git@other.example.com:acme/"), "git@other.example.com:acme/x", "no ssh key", none},
		{"off", off, "../lib.git", "off", none},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := gitsync.SubmoduleRemote(c.parent, c.url)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "evil") {
					t.Errorf("%v, want %q", err, c.want)
				}
				if strings.HasPrefix(c.want, "http") || strings.HasPrefix(c.want, "ssh://") {
					t.Errorf("refused: %v", err)
				}
				return
			}
			with := got.Password.Source + got.SSHKeyFile
			if got.URL != c.want || with != c.with {
				t.Errorf("%s with %q, want %s with %q", got.URL, with, c.want, c.with)
			}
			if with == "" && got.Username+got.CAFile+got.KnownHostsFile != "" {
				t.Errorf("something of the repository goes along: %+v", got)
			}
		})
	}
}

func TestRefusedSubmodulesNameTheRemedy(t *testing.T) {
	web := gitsync.Remote{URL: "https://git.example.com/ops/infra.git"}
	_, err := gitsync.SubmoduleRemote(web, "https://other.example.com/acme/lib.git")
	if !errors.Is(err, gitsync.ErrNotAllowed) || !strings.Contains(told(err), "submodules: [https://git.example.com/, https://other.example.com/acme/]") {
		t.Errorf("%s", told(err))
	}
	web.Submodules.From = []string{"https://third.example.com/"}
	_, err = gitsync.SubmoduleRemote(web, "git@github.com:acme/lib.git")
	if !errors.Is(err, gitsync.ErrNotAllowed) || !strings.Contains(told(err), "add ssh://git@github.com/acme/") {
		t.Errorf("%s", told(err))
	}
}
