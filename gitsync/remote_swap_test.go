package gitsync_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

func TestMirrorGoesOnWithAnotherRemote(t *testing.T) {
	repo := gittest.NewRepo(t)
	first := repo.Commit("main", "one", gittest.Files{"a": gittest.Text("1")})
	m := gitsync.Open(filepath.Join(t.TempDir(), "mirror"), gitsync.Remote{URL: repo.URL()})
	t.Cleanup(func() { m.Close() })
	if _, err := m.Fetch(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}

	server := gittest.Serve(t, repo)
	server.RequireAuth("deployer", "secret")
	second := repo.Commit("main", "two", gittest.Files{"a": gittest.Text("2")})
	m.SetRemote(gitsync.Remote{URL: server.URL})
	if _, err := m.Fetch(t.Context(), "main"); !errors.Is(err, gitsync.ErrAuth) {
		t.Errorf("got %v, want ErrAuth of the new remote", err)
	}
	m.SetRemote(gitsync.Remote{URL: server.URL, Username: "deployer",
		Password: gitsync.Credential{Read: func() (string, error) { return "secret", nil }}})
	if got, err := m.Fetch(t.Context(), "main"); err != nil || got.Commit != second {
		t.Fatalf("got %v, %v; want %s", got, err, second)
	}
	if _, err := m.Snapshot(t.Context(), first); err != nil {
		t.Errorf("what came from the first remote is gone: %v", err)
	}
}

func TestSSHKeyIsReadAtEachFetch(t *testing.T) {
	server, repo := serveSSH(t), gittest.NewRepo(t)
	repo.Commit("main", "one", gittest.Files{"a": gittest.Text("1")})
	m := gitsync.Open(filepath.Join(t.TempDir(), "mirror"), server.remote(repo))
	t.Cleanup(func() { m.Close() })
	if _, err := m.Fetch(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	key, file := newKey(t)
	server.client = key.PublicKey()
	if _, err := m.Fetch(t.Context(), "main"); !errors.Is(err, gitsync.ErrAuth) {
		t.Fatalf("got %v, want ErrAuth: the server knows another key", err)
	}
	if err := os.Rename(file, server.keyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Fetch(t.Context(), "main"); err != nil {
		t.Error(err)
	}
}
