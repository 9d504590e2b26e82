package project

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/secrets"
)

const (
	configsFolder = "/"
	secretsFolder = "/run/secrets"
)

// placeFiles turns the configs and secrets of a container into read-only
// binds: Compose recreates no container when only their content changes.
func (pl *placer) placeFiles(c *types.ContainerSpec) error {
	for _, ref := range c.Configs {
		src, ok := pl.project.Configs[ref.Source]
		if !ok {
			return fmt.Errorf("config %s is not defined at the top of a compose file", ref.Source)
		}
		if err := pl.placeFile(c, "config", configsFolder, types.FileReferenceConfig(ref), types.FileObjectConfig(src)); err != nil {
			return fmt.Errorf("config %s: %w", ref.Source, err)
		}
	}
	for _, ref := range c.Secrets {
		src, ok := pl.project.Secrets[ref.Source]
		if !ok {
			return fmt.Errorf("secret %s is not defined at the top of a compose file", ref.Source)
		}
		if err := pl.placeFile(c, "secret", secretsFolder, types.FileReferenceConfig(ref), types.FileObjectConfig(src)); err != nil {
			return fmt.Errorf("secret %s: %w", ref.Source, err)
		}
	}
	c.Configs, c.Secrets = nil, nil
	return nil
}

func (pl *placer) placeFile(c *types.ContainerSpec, kind, folder string, ref types.FileReferenceConfig, src types.FileObjectConfig) error {
	var m Mount
	var err error
	switch {
	case bool(src.External):
		return fmt.Errorf("an external %s exists in a Swarm only; give it a `file`, or `environment`", kind)
	case src.File != "":
		m, err = pl.fileSource(c, kind, src.File, ref)
	default:
		m, err = pl.contentSource(c, kind, ref, src)
	}
	if err != nil {
		return err
	}
	m.ReadOnly = true
	m.Target = ref.Target
	if m.Target == "" {
		m.Target = ref.Source
	}
	if !path.IsAbs(m.Target) {
		m.Target = path.Join(folder, m.Target)
	}
	for _, v := range c.Volumes {
		if v.Target == m.Target {
			return fmt.Errorf("something else is mounted at %s already", m.Target)
		}
	}
	v := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Target: m.Target, Bind: &types.ServiceVolumeBind{}}
	pl.add(&v, m)
	c.Volumes = append(c.Volumes, v)
	return nil
}

func (pl *placer) fileSource(c *types.ContainerSpec, kind, file string, ref types.FileReferenceConfig) (Mount, error) {
	m, err := pl.source(file, true)
	if err != nil {
		return m, err
	}
	if m.Kind == MountObject && !m.Dir {
		opened, err := pl.load.view.openSealed(m.Path)
		if err != nil {
			return m, err
		}
		if opened != nil {
			return pl.sealedSource(c, kind, ref, opened)
		}
		if kind == "secret" && !pl.load.clear[m.Path] {
			pl.load.clear[m.Path] = true
			pl.load.warn("the secret in %s is in Git in clear: `deployer secrets encrypt` encrypts it in place, and services read it as before", pl.load.shown(m.Path))
		}
	}
	mode, err := fileMode(ref)
	if err != nil {
		return m, err
	}
	switch {
	case m.Kind == MountData:
		m.Dir = false // Compose takes a file here; whoever owns the host puts it there
		pl.load.warn("service %s: %s is not in Git; put it on the host as %s", pl.service, pl.load.shown(m.Path), m.Host)
	case m.Kind == MountObject && mode != 0 && !m.Dir:
		m.Mode = mode
		m.Host = pl.load.objectPath(m.Hash, uint32(mode), m.Path)
	}
	return m, nil
}

// sealedSource mounts a file that SOPS encrypted, in plain, from memory.
func (pl *placer) sealedSource(c *types.ContainerSpec, kind string, ref types.FileReferenceConfig, file *secrets.File) (Mount, error) {
	l := pl.load
	for _, v := range file.Secrets() {
		l.taint.addValue(v.Reveal())
	}
	m, err := l.inMemory(c, kind, ref, file.Content().Reveal())
	if err != nil {
		return m, fmt.Errorf("%s: %w", l.shown(file.Path()), err)
	}
	m.Path = file.Path()
	m.Hash = short(l.src.Digest([]byte("sealed"), []byte(l.src.Name), []byte(file.Content().Reveal())))
	return m, nil
}

func (pl *placer) contentSource(c *types.ContainerSpec, kind string, ref types.FileReferenceConfig, src types.FileObjectConfig) (Mount, error) {
	content := src.Content
	if src.Environment != "" {
		value, ok := pl.project.Environment[src.Environment]
		if !ok && content == "" {
			return Mount{}, fmt.Errorf("its variable %s is not defined; set it in the env file", src.Environment)
		}
		if ok {
			content = value
		}
	}
	return pl.load.inMemory(c, kind, ref, content)
}

// inMemory is a mount of content that may be secret.
func (l *load) inMemory(c *types.ContainerSpec, kind string, ref types.FileReferenceConfig, content string) (Mount, error) {
	if l.src.Digest == nil || l.src.Roots.Secrets == "" {
		return Mount{}, errors.New("content that may be secret has no place on this target; use a plain `file`")
	}
	mode, err := fileMode(ref)
	if err != nil {
		return Mount{}, err
	}
	m := Mount{Kind: MountSecret, Mode: mode, Content: secrets.NewValue(content)}
	if m.UID, m.GID, err = owner(ref, c.User); err != nil {
		return Mount{}, err
	}
	attributes := fmt.Sprintf("%s %04o %d:%d", kind, mode, m.UID, m.GID)
	name := l.src.Digest([]byte("file"), []byte(l.src.Name), []byte(attributes), []byte(content))
	m.Host = filepath.Join(l.src.Roots.Secrets, short(name))
	return m, nil
}

func fileMode(ref types.FileReferenceConfig) (fs.FileMode, error) {
	if ref.Mode == nil {
		return 0, nil
	}
	mode := *ref.Mode
	if mode <= 0 || mode > 0o777 || mode&0o022 != 0 {
		return 0, fmt.Errorf("mode %s is not allowed; use one that only the owner may write, such as 0440", ref.Mode)
	}
	return fs.FileMode(mode), nil
}

// owner is who may read a file of mode 0600: what the reference says, else the
// service's numeric user.
func owner(ref types.FileReferenceConfig, user string) (uid, gid int, err error) {
	u, g, _ := strings.Cut(user, ":")
	if uid, err = numeric(ref.UID); err != nil {
		return 0, 0, fmt.Errorf("uid: %w", err)
	}
	if gid, err = numeric(ref.GID); err != nil {
		return 0, 0, fmt.Errorf("gid: %w", err)
	}
	if n, err := numeric(u); ref.UID == "" && err == nil {
		uid = n
	}
	if n, err := numeric(g); ref.GID == "" && err == nil {
		gid = n
	}
	return uid, gid, nil
}

func numeric(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return int(n), nil
}

// short is as much of a digest as a name needs.
func short(digest string) string { return digest[:min(len(digest), 32)] }
