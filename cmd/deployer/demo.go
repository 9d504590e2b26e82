package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"deployer/secrets"
	"deployer/state"
)

//go:embed demo
var demoFiles embed.FS

const demoStack = "deployer-demo"

func newDemo() *cobra.Command {
	var clean bool
	var dir string
	cmd := &cobra.Command{
		Use: "demo", Short: "Watch a push deploy, and a bad push come back by itself", GroupID: groupHere, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &demo{dir: dir, out: cmd.OutOrStdout(), started: time.Now()}
			if clean {
				return d.clean(cmd.Context())
			}
			if err := d.run(cmd.Context()); err != nil {
				return fmt.Errorf("demo: %w\nwhat is left of it: `%s demo --clean` removes it; its server's log is %s", err, os.Args[0], d.path("server.log"))
			}
			return nil
		},
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cmd.Flags().StringVar(&dir, "dir", filepath.Join(cache, "deployer-demo"), "folder that holds all of the demo")
	cmd.Flags().BoolVar(&clean, "clean", false, "stop the demo's server and remove everything that it made")
	return cmd
}

// A demo is the product's own story on this machine: one folder, two containers.
type demo struct {
	dir     string
	out     io.Writer
	started time.Time

	listen  string
	webPort string
	token   string
	hook    string
	key     string // age recipient
	repo    *demoRepo
	client  *apiClient
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// say prints one line of the timeline.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%5.1fs  %s\n", time.Since(d.started).Seconds(), fmt.Sprintf(format, args...))
}

func (d *demo) chapter(title string) { fmt.Fprintf(d.out, "\n── %s\n", title) }

func (d *demo) run(ctx context.Context) error {
	for _, part := range []func(context.Context) error{d.setUp, d.goodPush, d.badPush, d.end} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) setUp(ctx context.Context) error {
	fmt.Fprintln(d.out, "deployer demo: a push that deploys, and a bad push that comes back by itself")
	d.chapter("What a team sets up once")
	if err := d.clear(ctx); err != nil {
		return err
	}
	engine, err := makeDemoImage(ctx)
	if err != nil {
		return err
	}
	d.say("Docker Engine %s answers; the service's image is made from this binary, nothing is pulled", engine)
	if err := d.writeSecrets(); err != nil {
		return err
	}
	d.say("an age key in %s decrypts the env file; only the server has it", d.path("age.key"))
	if d.repo, err = initDemoRepo(d.path("config")); err != nil {
		return err
	}
	d.say("a config repository in %s: compose.yaml, pipeline.yaml, .env.production", d.path("config"))
	if err := d.startServer(ctx); err != nil {
		return err
	}
	d.say("a server at %s, configured by %s", d.client.base, d.path("deployer.yaml"))
	return nil
}

func (d *demo) writeSecrets() error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		return err
	}
	d.key, d.token, d.hook = recipient, newSecret(), newSecret()
	if d.listen, err = freeAddress("127.0.0.1:8484"); err != nil {
		return err
	}
	web, err := freeAddress("127.0.0.1:8080")
	if err != nil {
		return err
	}
	_, d.webPort, _ = net.SplitHostPort(web)
	sum := sha256.Sum256([]byte(d.token))
	var config bytes.Buffer
	err = template.Must(template.ParseFS(demoFiles, "demo/deployer.yaml")).Execute(&config, map[string]string{
		"Dir": d.dir, "Listen": d.listen, "TokenSHA256": hex.EncodeToString(sum[:]),
	})
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"age.key": identity.Reveal(), "hook.secret": d.hook, "token": d.token, "deployer.yaml": config.String(),
	} {
		if err := os.WriteFile(d.path(name), []byte(content+"\n"), 0o600); err != nil {
			return err
		}
	}
	d.client = &apiClient{base: "http://" + d.listen, token: d.token, http: &http.Client{}}
	return nil
}

// freeAddress returns the wanted address, or one with another port where that is taken.
func freeAddress(wanted string) (string, error) {
	ln, err := net.Listen("tcp", wanted)
	if err != nil {
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// startServer starts `deployer serve` as a process of its own, which stays
// after the demo so that people can look around.
func (d *demo) startServer(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(d.path("server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	server := exec.Command(self, "serve", "--config", d.path("deployer.yaml"))
	server.Stdout, server.Stderr = log, log
	server.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := server.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("server.pid"), fmt.Appendf(nil, "%d\n", server.Process.Pid), 0o600); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		res, err := http.Get(d.client.base + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("the server did not become ready")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (d *demo) goodPush(ctx context.Context) error {
	d.chapter("A push")
	run, err := d.push(ctx, "Say hello", "hello from the first release", "")
	if err != nil {
		return err
	}
	if run.Status != state.RunSucceeded {
		return fmt.Errorf("the push ended %s: %s", run.Status, run.Error)
	}
	return d.visit(ctx)
}

func (d *demo) badPush(ctx context.Context) error {
	d.chapter("A bad push: the container is healthy, but the page answers with an error")
	run, err := d.push(ctx, "Say hello louder", "HELLO", "yes")
	if err != nil {
		return err
	}
	if run.Status != state.RunRolledBack {
		return fmt.Errorf("the push ended %s instead of rolled_back: %s", run.Status, run.Error)
	}
	d.say("taken back by itself to %s; the worker, which the push did not touch, kept its container", short(run.RolledBackTo))
	d.say("the bad release is quarantined: neither a poll nor a repeated delivery brings it back")
	return d.visit(ctx)
}

func (d *demo) end(context.Context) error {
	self := os.Args[0]
	d.chapter("Look around")
	fmt.Fprintf(d.out, `  the page      %[1]s   (sign in with the token in %[2]s)
  the API       %[1]s/api/v1/stacks   (Authorization: Bearer, document at /api/v1/openapi.yaml)
  the commands  export DEPLOYER_URL=%[1]s DEPLOYER_TOKEN="$(cat %[2]s)"
                %[3]s status
                %[3]s runs
                %[3]s logs deployer-demo
  push more     commit in %[4]s; the server looks every 5 seconds
  clean up      %[3]s demo --clean
`, d.client.base, d.path("token"), self, d.path("config"))
	return nil
}
