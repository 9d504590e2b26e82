package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"deployer/config"
	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/secrets"
	"deployer/state"
	"deployer/target/compose"
)

// minFree is the room, in bytes, below which a fetch or a pull may not fit.
const minFree = 1 << 30

// maxSkew is how far a clock may be off: signed webhooks of GitLab expire
// after five minutes, and certificates are not valid before their time.
const maxSkew = 30 * time.Second

// nearestFolder is the folder above a path that is there.
func nearestFolder(path string) (string, error) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case err == nil && info.IsDir():
			return dir, nil
		case err == nil:
			return "", fmt.Errorf("%s is no folder", dir)
		case !os.IsNotExist(err) || dir == filepath.Dir(dir):
			return "", err
		}
	}
}

func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }

func disk(data string) finding {
	dir := data
	if _, err := os.Stat(dir); err != nil {
		if dir, err = nearestFolder(data); err != nil {
			return missing("see what is wrong with the path", "%v", err)
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return missing("see what is wrong with the disk", "%s: %v", dir, err)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	const mib = 1 << 20
	if free < minFree {
		return missing("make room: df -h "+dir, "%d MiB free where %s is, want %d", free/mib, data, minFree/mib)
	}
	return fine("%d MiB free where %s is", free/mib, data)
}

// memory looks for the tmpfs that files with secrets go to.
func memory() finding {
	for _, dir := range []string{os.Getenv("RUNTIME_DIRECTORY"), "/run", "/dev/shm"} {
		var fs unix.Statfs_t
		if dir != "" && unix.Statfs(dir, &fs) == nil && fs.Type == unix.TMPFS_MAGIC && writable(dir) {
			return fine("files with secrets lie on tmpfs in %s", dir)
		}
	}
	return missing("give the service a RuntimeDirectory=, as docs/deployer.service does", "neither /run nor /dev/shm is a tmpfs that can be written")
}

func ageKeyFile(file string) finding {
	recipients, err := secrets.RecipientsOf(file)
	if err != nil {
		return missing("put the private key of age there, readable by the user that runs deployer", "%v", err)
	}
	return fine("decrypts what is encrypted for %s", strings.Join(recipients, ", "))
}

// listenable looks whether the address is free, or held by a deployer.
func listenable(ctx context.Context, c *config.Config) finding {
	ln, err := net.Listen("tcp", c.Listen)
	if err == nil {
		_ = ln.Close()
		return fine("free")
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return missing("correct listen: in deployer.yaml, or let the user listen there", "%v", err)
	}
	if c.TLS == nil && answers(ctx, "http://"+c.Listen+"/healthz") {
		return fine("a server runs there already, and is well")
	}
	return doubtful("see who holds it: ss -ltnp", "held by a program; it is right only if that is deployer itself")
}

// webPort looks whether a stack's proxy could take a port. Before the first
// start nothing of deployer's can hold it.
func (d *doctor) webPort(port string) finding {
	ln, err := net.Listen("tcp", ":"+port)
	switch {
	case err == nil:
		_ = ln.Close()
		return fine("free")
	case errors.Is(err, syscall.EACCES):
		return finding{status: state.StepSkipped, message: "this user may not listen there; Docker may"}
	case !errors.Is(err, syscall.EADDRINUSE):
		return missing("see what is wrong with the network", "%v", err)
	}
	if _, err := os.Stat(filepath.Join(d.config.Data, "deployer.db")); err == nil {
		return fine("held, as it is once the proxy of a stack runs")
	}
	return doubtful("see who holds it: ss -ltnp; a stack with a proxy needs it", "held by a program, and no stack was deployed yet")
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // it is on this machine
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// engines looks at each Engine that a stack runs on, once.
func (d *doctor) engines(ctx context.Context) {
	for _, target := range d.targets() {
		d.look(ctx, "Engine "+target.Docker, func(ctx context.Context) finding { return d.engine(ctx, target) })
	}
}

// targets are the Engines that stacks run on, each once.
func (d *doctor) targets() (out []config.Target) {
	for _, name := range slices.Sorted(maps.Keys(d.config.Stacks)) {
		stack := d.config.Stacks[name]
		known := func(t config.Target) bool { return t.Docker == stack.Target.Docker }
		if stack.Enabled && !slices.ContainsFunc(out, known) {
			out = append(out, stack.Target)
		}
	}
	return out
}

func (d *doctor) open(want config.Target) (*compose.Target, error) {
	return compose.New(compose.Options{
		Host: want.Docker, CAFile: string(want.CAFile), CertFile: string(want.CertFile), KeyFile: string(want.KeyFile), Clock: time.Now,
		Auth: func(_ context.Context, host string) (string, string, error) { return loginOf(d.config, host) },
	})
}

func (d *doctor) engine(ctx context.Context, want config.Target) finding {
	const hint = "see that Docker runs there (systemctl status docker), and that this user may use its socket"
	t, err := d.open(want)
	if err != nil {
		return missing("correct target: in deployer.yaml", "%v", err)
	}
	defer t.Close()
	info, err := t.Info(ctx)
	if err != nil {
		return missing(hint, "does not answer: %v", err)
	}
	var major int
	if _, err := fmt.Sscanf(info.Version, "%d.", &major); err == nil && major < 20 {
		return missing("upgrade it", "Docker Engine %s is too old: 20.10 is the oldest that works", info.Version)
	}
	return fine("Docker Engine %s (API %s) on %s/%s, %d containers", info.Version, info.APIVersion, info.OS, info.Arch, info.Containers)
}

// repositories asks each remote for the branches that stacks follow.
func (d *doctor) repositories(ctx context.Context) {
	asked := map[[2]string]bool{}
	for _, name := range slices.Sorted(maps.Keys(d.config.Stacks)) {
		stack := d.config.Stacks[name]
		key := [2]string{stack.Repository, stack.Branch}
		repository := d.config.Repositories[stack.Repository]
		if !stack.Enabled || repository == nil || asked[key] {
			continue
		}
		asked[key] = true
		d.look(ctx, "repository "+stack.Repository, func(ctx context.Context) finding {
			m := gitsync.Open(filepath.Join(os.TempDir(), "deployer-doctor-none"), remote(repository)) // Tip writes nothing
			defer m.Close()
			tip, err := m.Tip(ctx, stack.Branch)
			if err != nil {
				return missing(cmp.Or(pipeline.Hint(err), "correct url, auth or branch in deployer.yaml, or the credentials at the forge"), "%v", err)
			}
			hook := "; no webhook: only poll finds pushes"
			if repository.Webhook != nil {
				hook = fmt.Sprintf("; its webhook is %s/hooks/%s", cmp.Or(d.config.URL, "https://THIS-SERVER"), repository.Name)
			}
			return fine("branch %s is at %s%s", stack.Branch, short(tip), hook)
		})
	}
}

// clock asks the kernel whether the clock is kept right, else a forge for the time.
func (d *doctor) clock(ctx context.Context) finding {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err == nil && t.Status&unix.STA_UNSYNC == 0 {
		return fine("kept in time by a time service")
	}
	for _, name := range slices.Sorted(maps.Keys(d.config.Repositories)) {
		u, err := url.Parse(d.config.Repositories[name].URL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" {
			continue
		}
		if at, err := timeOf(ctx, u.Scheme+"://"+u.Host+"/"); err == nil {
			return skew(d.now(), at, u.Host)
		}
	}
	return finding{state.StepSkipped, "no time service keeps it, and no repository over http can be asked for the time", "timedatectl set-ntp true"}
}

func timeOf(ctx context.Context, url string) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return time.Time{}, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	_ = res.Body.Close()
	return http.ParseTime(res.Header.Get("Date"))
}

// skew compares the clock with another's; that one says whole seconds.
func skew(own, other time.Time, where string) finding {
	const hint = "timedatectl set-ntp true"
	off := own.Sub(other).Round(time.Second)
	if off.Abs() > maxSkew {
		return missing(hint, "%s off, by the clock of %s: signatures and certificates are refused", off, where)
	}
	return doubtful(hint, "right by the clock of %s (%s off), but no time service keeps it so", where, off)
}
