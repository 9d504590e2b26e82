package bench

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport/http"

	"deployer/internal/enginetest"
	"deployer/internal/producttest"
)

// byHand does what a person does without deployer, through the same
// libraries: fetch, and `compose up` with wait. It is the floor of a push.
type byHand struct {
	b       *testing.B
	product *producttest.Product // whose repository and Engine it uses
	project string
	dir     string
	mirror  *git.Repository
	library api.Compose
}

func newByHand(b *testing.B, p *producttest.Product) *byHand {
	b.Helper()
	h := &byHand{b: b, product: p, project: enginetest.Name(b), dir: b.TempDir()}
	enginetest.Cleanup(b, p.Engine, h.project)
	cli, err := command.NewDockerCli(command.WithCombinedStreams(io.Discard))
	if err != nil {
		b.Fatal(err)
	}
	if err := cli.Initialize(flags.NewClientOptions()); err != nil {
		b.Fatal(err)
	}
	if h.library, err = compose.NewComposeService(cli); err != nil {
		b.Fatal(err)
	}
	h.forget()
	return h
}

// forget starts with an empty mirror again.
func (h *byHand) forget() {
	mirror, err := git.PlainInit(h.b.TempDir(), true)
	if err != nil {
		h.b.Fatal(err)
	}
	_, err = mirror.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{h.product.Git.URL}})
	if err != nil {
		h.b.Fatal(err)
	}
	h.mirror = mirror
}

// fetch brings the tip into the bare mirror; depth 1 at first.
func (h *byHand) fetch(depth int) *git.Repository {
	err := h.mirror.Fetch(&git.FetchOptions{
		RemoteName: "origin", Depth: depth, Tags: git.NoTags, RefSpecs: []config.RefSpec{"+refs/heads/main:refs/heads/main"},
		Auth: &http.BasicAuth{Username: "deployer", Password: h.product.Keys["git"]},
	})
	if err != nil {
		h.b.Fatal(err)
	}
	return h.mirror
}

// checkOut writes the compose file of the tip, edited.
func (h *byHand) checkOut(directory string, edit *strings.Replacer) {
	ref, err := h.mirror.Reference(plumbing.NewBranchReferenceName("main"), true)
	if err != nil {
		h.b.Fatal(err)
	}
	commit, err := h.mirror.CommitObject(ref.Hash())
	if err != nil {
		h.b.Fatal(err)
	}
	file, err := commit.File(filepath.ToSlash(filepath.Join(directory, "compose.yaml")))
	if err != nil {
		h.b.Fatal(err)
	}
	text, err := file.Contents()
	if err != nil {
		h.b.Fatal(err)
	}
	h.write(edit.Replace(text))
}

func (h *byHand) write(text string) {
	if err := os.WriteFile(filepath.Join(h.dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		h.b.Fatal(err)
	}
}

// up is `compose up` with wait of the file that was written.
func (h *byHand) up() error {
	ctx := context.Background()
	project, err := h.library.LoadProject(ctx, api.ProjectLoadOptions{
		ProjectName: h.project, WorkingDir: h.dir, ConfigPaths: []string{filepath.Join(h.dir, "compose.yaml")}, Offline: true,
	})
	if err != nil {
		h.b.Fatal(err)
	}
	return h.library.Up(ctx, project, api.UpOptions{
		Create: api.CreateOptions{Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged, RemoveOrphans: true, Inherit: true, QuietPull: true},
		Start:  api.StartOptions{Project: project, Wait: true, WaitTimeout: time.Minute},
	})
}

func (h *byHand) mustUp() {
	if err := h.up(); err != nil {
		h.b.Fatal(err)
	}
}

// list asks the Engine once for the containers of the project.
func (h *byHand) list() {
	_, err := h.product.Engine.ContainerList(context.Background(), container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", api.ProjectLabel+"="+h.project)),
	})
	if err != nil {
		h.b.Fatal(err)
	}
}
