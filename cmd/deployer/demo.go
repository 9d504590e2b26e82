package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// push commits a change, delivers it as a forge would, and tells the run as
// it happens.
func (d *demo) push(ctx context.Context, subject, greeting, broken string) (*state.Run, error) {
	env := fmt.Sprintf("WEB_PORT=%s\nGREETING=%s\nBROKEN=%s\nAPI_PASSWORD=%s\n", d.webPort, greeting, broken, "demo-"+d.token[:12])
	sealed, err := secrets.EncryptDotenv([]byte(env), []string{d.key}, "PASSWORD")
	if err != nil {
		return nil, err
	}
	commit, err := d.repo.commit(subject, map[string][]byte{".env.production": sealed})
	if err != nil {
		return nil, err
	}
	d.say("git push %s “%s”", short(commit), subject)
	id, err := d.deliver(ctx, commit)
	if err != nil {
		return nil, err
	}
	d.say("signed webhook → 202, run %s is on disk", id)
	return d.narrate(ctx, id)
}

// deliver posts a signed webhook and returns the id of its run.
func (d *demo) deliver(ctx context.Context, commit string) (string, error) {
	body, err := json.Marshal(map[string]string{"ref": "refs/heads/main", "after": commit})
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, []byte(d.hook))
	mac.Write(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.client.base+"/hooks/config", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Delivery", "demo-"+commit)
	req.Header.Set("X-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Runs []struct {
			ID string `json:"id"`
		} `json:"runs"`
		Ignored string `json:"ignored"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", err
	}
	if len(answer.Runs) != 1 {
		return "", fmt.Errorf("the delivery was answered %s %s", res.Status, answer.Ignored)
	}
	return answer.Runs[0].ID, nil
}

// narrate prints the steps of a run as they end and returns it when it is over.
func (d *demo) narrate(ctx context.Context, id string) (*state.Run, error) {
	told := map[state.StageName]int{}
	for {
		run := new(state.Run)
		if err := d.client.do(ctx, http.MethodGet, "/api/v1/runs/"+url.PathEscape(id), nil, run); err != nil {
			return nil, err
		}
		for _, stage := range run.Stages {
			for _, step := range stage.Steps[min(told[stage.Name], len(stage.Steps)):] {
				d.say("  %s %-9s %-12s %s", mark(step.Status), stage.Name, step.Name, firstLine(step.Message))
				told[stage.Name]++
			}
		}
		if run.Status.Terminal() {
			d.say("  = %s", run.Status)
			return run, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func mark(s state.StepStatus) string {
	switch s {
	case state.StepPassed:
		return "✓"
	case state.StepFailed:
		return "✗"
	case state.StepWarned:
		return "!"
	}
	return "·"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// visit shows what the service answers now.
func (d *demo) visit(ctx context.Context) error {
	address := "http://127.0.0.1:" + d.webPort + "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return err
	}
	d.say("%s answers “%s”", address, strings.TrimSpace(string(body)))
	return nil
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

// clean removes everything that a demo made.
func (d *demo) clean(ctx context.Context) error {
	if err := d.clear(ctx); err != nil {
		return err
	}
	if err := removeDemoImage(ctx); err != nil {
		return err
	}
	d.say("the demo is gone: server, containers, network, image and %s", d.dir)
	return nil
}

// clear stops the server of the demo before and removes its containers and its folder.
func (d *demo) clear(ctx context.Context) error {
	if raw, err := os.ReadFile(d.path("server.pid")); err == nil {
		stopServer(strings.TrimSpace(string(raw)), d.path("deployer.yaml"))
	}
	if err := removeDemoContainers(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(d.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// stopServer ends the process of that number, where it is the demo's server.
func stopServer(pid, config string) {
	line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	if err != nil || !bytes.Contains(line, []byte(config)) {
		return
	}
	var number int
	if _, err := fmt.Sscan(pid, &number); err != nil {
		return
	}
	_ = syscall.Kill(number, syscall.SIGTERM)
	for range 200 {
		if syscall.Kill(number, 0) != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = syscall.Kill(number, syscall.SIGKILL)
}
