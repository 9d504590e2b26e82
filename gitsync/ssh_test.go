package gitsync_test

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// An sshServer runs git-upload-pack for one key.
type sshServer struct {
	tb       testing.TB
	addr     string
	hostKey  ssh.Signer
	keyFile  string
	client   ssh.PublicKey
	gitPath  string
	hostFile string
}

func serveSSH(tb testing.TB) *sshServer {
	tb.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		tb.Skip("the git binary is not installed: " + err.Error())
	}
	s := &sshServer{tb: tb, gitPath: git}
	s.hostKey, _ = newKey(tb)
	var client ssh.Signer
	client, s.keyFile = newKey(tb)
	s.client = client.PublicKey()

	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(s.client.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(s.hostKey)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	s.addr = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn, config)
		}
	}()
	s.hostFile = s.knownHosts(s.hostKey.PublicKey())
	return s
}

func (s *sshServer) serve(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		channel, requests, err := ch.Accept()
		if err != nil {
			return
		}
		go func() {
			defer channel.Close()
			for req := range requests {
				var exec struct{ Command string }
				if req.Type != "exec" || ssh.Unmarshal(req.Payload, &exec) != nil {
					_ = req.Reply(false, nil)
					continue
				}
				_ = req.Reply(true, nil)
				code := s.exec(exec.Command, channel)
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{code}))
				return
			}
		}()
	}
}

func (s *sshServer) exec(command string, channel ssh.Channel) uint32 {
	path := strings.Trim(strings.TrimPrefix(command, "git-upload-pack "), "'")
	cmd := exec.Command(s.gitPath, "upload-pack", path)
	cmd.Env = gittest.Env()
	in, err := cmd.StdinPipe()
	if err != nil {
		return 1
	}
	go func() { _, _ = io.Copy(in, channel); in.Close() }()
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	if cmd.Run() != nil {
		return 128
	}
	return 0
}

func (s *sshServer) knownHosts(key ssh.PublicKey) string { return knownHosts(s.tb, s.addr, key) }

// knownHosts writes a file that says what key the server at an address has.
func knownHosts(tb testing.TB, addr string, key ssh.PublicKey) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "known_hosts")
	if err := os.WriteFile(path, []byte(knownhosts.Line([]string{addr}, key)+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

func (s *sshServer) remote(repo *gittest.Repo) gitsync.Remote {
	return gitsync.Remote{
		URL:            "ssh://git@" + s.addr + repo.Dir,
		SSHKeyFile:     s.keyFile,
		KnownHostsFile: s.hostFile,
	}
}

func newKey(tb testing.TB) (ssh.Signer, string) {
	tb.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "id")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		tb.Fatal(err)
	}
	return signer, path
}

func TestSSHAcceptsOnlyKnownHostsAndKeys(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	server := serveSSH(t)
	other, otherFile := newKey(t)
	empty := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*gitsync.Remote)
		want   error
		says   string
	}{
		"changed host key": {func(r *gitsync.Remote) { r.KnownHostsFile = server.knownHosts(other.PublicKey()) }, gitsync.ErrUntrusted, "has changed to "},
		"unknown host":     {func(r *gitsync.Remote) { r.KnownHostsFile = empty }, gitsync.ErrUntrusted, "add it with ssh-keyscan"},
		"no known hosts":   {func(r *gitsync.Remote) { r.KnownHostsFile = "" }, gitsync.ErrAuth, "known_hosts_file"},
		"wrong key":        {func(r *gitsync.Remote) { r.SSHKeyFile = otherFile }, gitsync.ErrAuth, otherFile},
		"no repository":    {func(r *gitsync.Remote) { r.URL += ".gone" }, gitsync.ErrNoRepository, "does not appear to be a git repository"},
		"right":            {func(*gitsync.Remote) {}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			remote := server.remote(repo)
			test.change(&remote)
			m, _ := open(t, remote)
			_, err := m.Fetch(context.Background(), "main")
			if !errors.Is(err, test.want) || !strings.Contains(told(err), test.says) {
				t.Errorf("got %v, want %v saying %q", err, test.want, test.says)
			}
			if gitsync.Retryable(err) {
				t.Error("trying again cannot help")
			}
		})
	}
}
