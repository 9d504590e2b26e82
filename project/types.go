// Package project resolves the compose files of a commit into a project: what
// they reach and may read, where each mounted file comes from, by what a
// release is known, and how two of them differ.
package project

import (
	"io/fs"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/secrets"
)

// A Tree is the content of a commit, or of a recipe kept from one. Paths are
// slash-separated and relative to its root, as in fs.FS. Symlinks are never
// followed: they appear as entries with fs.ModeSymlink.
type Tree interface {
	fs.FS
	// Hash returns the Git hash of the file or folder at path; fs.ErrNotExist
	// where the commit does not track it.
	Hash(path string) (string, error)
}

// A Source is what a project is resolved from.
type Source struct {
	Tree     Tree
	Dir      string   // the stack's folder in Tree, "." for the root
	Files    []string // compose files relative to Dir; empty: the names that Compose looks for
	Profiles []string
	Name     string       // compose project name; a `name:` in the compose file must agree
	Env      *secrets.Env // for interpolation; nothing of the process's own environment is seen
	// OpenEnv decrypts and parses an env_file of a service, given its path in Tree.
	OpenEnv func(path string, data []byte) (*secrets.Env, error)
	// OpenFile decrypts a file that configs or secrets name; nil where it is plain.
	// Where OpenFile itself is nil, a file that SOPS encrypted is an error.
	OpenFile func(path string, data []byte) (*secrets.File, error)
	Roots    Roots
	// Digest is a keyed hash of its parts in hex. It names content that may hold
	// a secret; needed only where a compose file has such content.
	Digest func(parts ...[]byte) string
}

// Roots are the absolute folders on the Engine's host that mounts are rewritten to.
type Roots struct {
	Objects string // content-addressed, read-only: Objects/<hash>/<base name>
	Copies  string // one writable copy per service and hash: Copies/<service>/<hash>/<base name>
	Data    string // untracked paths and placeholder folders: Data/<path>
	Secrets string // on tmpfs, for content that may hold a secret; 0600, named by a keyed hash
}

// MountKind says how a mount's content is provided.
type MountKind string

const (
	MountObject MountKind = "object" // tracked, mounted read-only
	MountCopy   MountKind = "copy"   // tracked, mounted writable: a copy of its own per hash
	MountData   MountKind = "data"   // not tracked: stays in one place, never overwritten
	MountHost   MountKind = "host"   // absolute path of the host, left as it is
	MountSecret MountKind = "secret" // content from the env, the compose file or a file that SOPS encrypted: on tmpfs
)

// A Mount is a bind mount of a service after rewriting.
type Mount struct {
	Service  string // empty for the folder of a named volume that binds one
	Kind     MountKind
	Path     string // in Tree; empty for MountHost, and for a MountSecret that is of no file
	Hash     string // of the tracked content, keyed where it was decrypted; empty for data, host and other secrets
	Host     string // absolute path on the Engine's host
	Target   string // path in the container
	Dir      bool
	ReadOnly bool
	Seed     bool          // MountData that starts as a copy of the tracked content
	Mode     fs.FileMode   // wished for by a config or secret; 0: the default of its kind
	UID      int           // owner of a MountSecret; 0: root
	GID      int           // group of a MountSecret
	Content  secrets.Value // of a MountSecret
}

// A Project is a stack resolved from a tree and an env: after includes,
// extends, profiles and interpolation, with mounts rewritten.
type Project struct {
	Name     string
	Compose  *types.Project
	Mounts   []Mount
	Env      *secrets.Env
	Warnings []string // writable mounts of tracked files and the like; for people
	Reads    []string // every path of Tree that the resolve read, sorted
	// Undefined are variables that the compose files use, without a default,
	// and the env does not define.
	Undefined []Undefined

	// ClearSecrets are files in Git that services mount as secrets and that are
	// not encrypted, sorted.
	ClearSecrets []string

	// NeverRollback are the services that a rollback leaves as they are.
	NeverRollback []string

	Images map[string]Image // by service; set by PinImages

	dir   string // the stack's folder in Tree, for people's paths
	view  *view  // what the resolve saw of Tree
	taint *taint // which resolved values came from a secret
}

// Undefined is a variable that a compose file uses and nothing defines.
type Undefined struct {
	Name string
	File string
}

// An Image is what a service's image reference resolves to on the Engine.
type Image struct {
	Ref    string // as in the compose file
	ID     string // sha256:…, of the local image
	Digest string // name@sha256:… where the image came from a registry
	Pulled bool   // it was pulled just now
	// Platform is what the image is made for, as linux/arm64/v8; empty: not known.
	Platform string
}

// A Container is a container of a project as the Engine shows it.
type Container struct {
	ID       string
	Name     string
	Service  string
	Number   int
	ImageID  string
	Hash     string // compose's config hash, from its label
	State    string // created, running, restarting, paused, exited, dead
	Health   string // starting, healthy (as the Engine or the apply found it), unhealthy; empty without a health check
	ExitCode int
	Restarts int
	Created  time.Time
	Labels   map[string]string

	Addresses []string // IP addresses on the networks of its Engine, sorted; none where it does not run
}

// LivesOn reports whether the container does what its state can do: it runs
// and is not known to be unhealthy, or it is a one-shot that ended well. One
// that the Engine has not looked at yet, as after a reboot, lives.
func (c Container) LivesOn() bool {
	switch c.State {
	case "running":
		return c.Health != "unhealthy"
	case "exited":
		return c.ExitCode == 0
	}
	return false
}

// A VolumeUser is a container that mounts a volume.
type VolumeUser struct {
	Container
	Project string // compose project; empty where it has none
}
