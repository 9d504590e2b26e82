package project

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"
)

// ErrEngineUnreachable marks errors of an Engine that does not answer, or
// that was lost in the middle of a call. The same call may work in a moment.
var ErrEngineUnreachable = errors.New("the Docker Engine does not answer")

// An Engine is what a target says about the Docker Engine it runs on.
type Engine struct {
	Version    string
	APIVersion string
	OS         string // linux
	Arch       string // amd64
	RootDir    string // where the Engine keeps images and volumes, on its host
	Containers int    // of all projects, stopped ones included
	FreeBytes  int64  // free in RootDir for an ordinary user; -1 where it cannot be seen from here
}

// ApplyOptions say how a project is applied.
type ApplyOptions struct {
	Log           io.Writer     // lines for people; nil: none
	Wait          time.Duration // limit for becoming healthy, from the first start on; 0: the context's
	Settle        time.Duration // how long a service without a health check must stay up; 0: two seconds
	StopTimeout   time.Duration // grace before a container is killed; 0: as the service says
	RemoveOrphans bool          // remove containers of services that the project no longer has
	// Resumed says that the process of an earlier apply ended in the middle of
	// it. The Engine may be stopping a container since, which still counts as
	// running: its end is waited for before anything is compared. The Engine
	// tells by its last 256 events only, of all that it does; a stop that has
	// left them goes unseen, and the container ends after the apply.
	Resumed bool
	// Changing is called once, before the first change to the Engine, with
	// what is about to change. Its error ends the apply with nothing changed.
	// It is not called when nothing has to change.
	Changing func(ctx context.Context, what string) error
}

// An ExecResult is what a command that ran in a container has left.
type ExecResult struct {
	ExitCode int
	Output   string // stdout and stderr as they came, cut off at 64 KiB
}

// A ContainerFile is a regular file of a container, with what is known of it.
type ContainerFile struct {
	Content  []byte
	Mode     fs.FileMode // its permissions
	UID, GID int
	Modified time.Time
}
