package project

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// outsideFolder is where Roots.Data keeps paths of the tree that are not below
// the stack's folder.
const outsideFolder = "_tree"

// placeMounts rewrites every bind of the project to where its content will
// be on the Engine's host.
func (l *load) placeMounts(p *Project) error {
	if err := checkExtensions(p.Compose); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Compose.Services)) {
		if name == "." || name == ".." {
			return fmt.Errorf("service %q: the name would be a path on the server; give it another", name)
		}
		s := p.Compose.Services[name]
		ext, err := l.extension(s)
		if err != nil {
			return err
		}
		if ext.neverRollback {
			p.NeverRollback = append(p.NeverRollback, name)
		}
		pl := &placer{load: l, service: name, project: p.Compose, ext: ext, used: map[string]bool{}}
		containers := []*types.ContainerSpec{&s.ContainerSpec}
		for i := range s.PreStart {
			containers = append(containers, &s.PreStart[i].ContainerSpec)
		}
		for _, c := range containers {
			if err := pl.place(c); err != nil {
				return fmt.Errorf("service %s: %w", name, err)
			}
		}
		if err := ext.unused(pl.used); err != nil {
			return fmt.Errorf("service %s: %w", name, err)
		}
		p.Compose.Services[name] = s
		p.Mounts = append(p.Mounts, pl.mounts...)
	}
	volumes, err := l.placeVolumes(p.Compose)
	p.Mounts = append(p.Mounts, volumes...)
	return err
}

// A placer rewrites the mounts of one service.
type placer struct {
	load    *load
	service string
	project *types.Project
	ext     extension
	mounts  []Mount
	used    map[string]bool // paths of ext.files that a mount has
}

func (pl *placer) place(c *types.ContainerSpec) error {
	for i := range c.Volumes {
		v := &c.Volumes[i]
		if v.Type != types.VolumeTypeBind {
			continue
		}
		m, err := pl.source(v.Source, v.ReadOnly)
		if err == nil {
			err = pl.load.refuseSealed(pl.service, m)
		}
		if err != nil {
			return fmt.Errorf("mount at %s: %w", v.Target, err)
		}
		m.Target = v.Target
		pl.add(v, m)
	}
	return pl.placeFiles(c)
}

// add points a volume at the mount's place on the host.
func (pl *placer) add(v *types.ServiceVolumeConfig, m Mount) {
	m.Service = pl.service
	v.Source, v.ReadOnly = m.Host, m.ReadOnly
	if m.Kind != MountData && m.Kind != MountHost {
		// A folder that the Engine made up would be an empty one.
		bind := types.ServiceVolumeBind{}
		if v.Bind != nil {
			bind = *v.Bind
		}
		bind.CreateHostPath = false
		v.Bind = &bind
	}
	same := func(o Mount) bool { return o.Host == m.Host && o.Target == m.Target }
	if !slices.ContainsFunc(pl.mounts, same) { // a pre_start hook has the service's
		pl.mounts = append(pl.mounts, m)
	}
}

// source decides how what is mounted is provided.
func (pl *placer) source(source string, readOnly bool) (Mount, error) {
	l := pl.load
	p, err := l.inTree(source)
	if err != nil {
		return Mount{Kind: MountHost, Host: source, ReadOnly: readOnly}, nil
	}
	if to, ok := pl.ext.files[p]; ok && to != keepFiles {
		pl.used[p] = true
		return Mount{Kind: MountHost, Host: to, ReadOnly: readOnly}, nil
	}
	e, err := l.view.entry(p)
	if err != nil {
		return Mount{}, err
	}
	m := Mount{Path: p, Dir: e.Kind != entryFile, ReadOnly: readOnly, Hash: e.Hash}
	if e.Kind == entryAbsent || e.Hollow {
		pl.used[p] = true
		m.Kind, m.Hash, m.Host = MountData, "", l.dataPath(p)
		return m, nil
	}
	l.warnWide(pl.service, p, m.Dir)
	keep := pl.ext.keep || pl.ext.files[p] == keepFiles
	pl.used[p] = true
	switch {
	case readOnly:
		m.Kind, m.Host = MountObject, l.objectPath(e.Hash, 0, p)
	case keep:
		m.Kind, m.Hash, m.Seed, m.Host = MountData, "", true, l.dataPath(p)
	default:
		m.Kind, m.Host = MountCopy, filepath.Join(l.src.Roots.Copies, pl.service, e.Hash, base(p))
		l.warn("service %s mounts %s writable: it gets a copy of its own, and a new one when the file changes in Git; add :ro to the mount, or `%s: {files: keep}` where the service writes there", pl.service, l.shown(p), extensionKey)
	}
	return m, nil
}

// warnWide warns of a mounted folder that shows the container more than it needs.
func (l *load) warnWide(service, p string, dir bool) {
	if !dir {
		return
	}
	var inside []string
	if p == "." || l.src.Env != nil && within(p, l.src.Env.Path()) {
		inside = append(inside, "the env file")
	}
	for _, name := range []string{".sops.yaml", ".sops"} {
		if e, err := l.view.entry(path.Join(p, name)); err == nil && e.Kind != entryAbsent {
			inside = append(inside, name)
		}
	}
	switch {
	case len(inside) > 0:
		l.warn("service %s mounts the folder %s with %s in it; mount only what it needs", service, l.shown(p), strings.Join(inside, " and "))
	case p == path.Clean(l.src.Dir):
		l.warn("service %s mounts the whole folder of the stack; mount only what it needs", service)
	}
}

// objectPath names content by its hash, and by its mode where that is not the
// usual one.
func (l *load) objectPath(hash string, mode uint32, p string) string {
	if mode != 0 {
		hash = fmt.Sprintf("%s-%04o", hash, mode)
	}
	return filepath.Join(l.src.Roots.Objects, hash, base(p))
}

func (l *load) dataPath(p string) string {
	if dir := path.Clean(l.src.Dir); within(dir, p) {
		rel, _ := filepath.Rel(dir, p)
		return filepath.Join(l.src.Roots.Data, rel)
	}
	return filepath.Join(l.src.Roots.Data, outsideFolder, p)
}

// Local is a path of the tree as it is from the stack's folder: ./x or ../x.
func (p *Project) Local(treePath string) string { return shown(p.dir, treePath) }

// shown is a path as people write it in the stack's own files.
func (l *load) shown(p string) string { return shown(l.src.Dir, p) }

func shown(dir, p string) string {
	rel, err := filepath.Rel(path.Clean(dir), p)
	if err != nil {
		return p
	}
	switch {
	case rel == ".":
		return "./"
	case strings.HasPrefix(rel, ".."):
		return rel
	}
	return "./" + rel
}

// within reports whether p is dir or below it; both are clean tree paths.
func within(dir, p string) bool {
	return dir == "." || p == dir || strings.HasPrefix(p, dir+"/")
}

func base(p string) string {
	if p == "." {
		return "tree"
	}
	return path.Base(p)
}
