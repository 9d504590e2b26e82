package project

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"deployer/secrets"
)

// maxMounted bounds a file that is looked at for encryption, in bytes; what
// SOPS encrypts it holds in memory several times.
const maxMounted = 64 << 20

// openSealed returns a tracked file that SOPS encrypted, decrypted; nil for a
// plain one.
func (v *view) openSealed(p string) (*secrets.File, error) {
	if file, ok := v.sealed[p]; ok {
		return file, nil
	}
	if r, ok := v.tree.(*Recipe); ok {
		v.sealed[p] = r.sealed[p]
		return r.sealed[p], nil
	}
	data, err := v.peek(p)
	if err != nil {
		return nil, err
	}
	var file *secrets.File
	switch {
	case v.openFile != nil:
		file, err = v.openFile(p, data)
	case secrets.IsEncryptedFile(data):
		err = fmt.Errorf("%s is encrypted, and nothing here can decrypt it", p)
	}
	if err != nil {
		return nil, err
	}
	v.sealed[p] = file
	return file, nil
}

// peek reads a file that the recipe does not keep.
func (v *view) peek(p string) ([]byte, error) {
	f, err := v.tree.Open(p)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", p, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxMounted {
		return nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxMounted))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	return data, nil
}

// refuseSealed refuses a bind of a file that SOPS encrypted: the container
// would read ciphertext. Of a mounted folder it warns, since not all of it
// need be for the container.
func (l *load) refuseSealed(service string, m Mount) error {
	if _, ok := l.view.tree.(*Recipe); ok || m.Path == "" || m.Kind == MountHost || m.Kind == MountData && !m.Seed {
		return nil // a kept release was looked at when it was new
	}
	if m.Dir {
		return l.warnSealed(service, m.Path)
	}
	data, err := l.view.peek(m.Path)
	if err != nil || !secrets.IsEncryptedFile(data) {
		return err
	}
	return &SealedMountError{Path: l.shown(m.Path)}
}

// A SealedMountError says that a container would get ciphertext.
type SealedMountError struct {
	Path string // from the stack's folder
}

func (e *SealedMountError) Error() string {
	return fmt.Sprintf("%s is encrypted with SOPS, and a mount under volumes gives the container the ciphertext", e.Path)
}

// Hint says what to write instead.
func (e *SealedMountError) Hint() string {
	return fmt.Sprintf("name the file under `secrets:` at the top of the compose file (NAME: {file: %s}), and in the service under `secrets:` with `source: NAME` and the path in the container as `target`: it is then mounted in plain, from memory. A container that decrypts by itself mounts the folder", e.Path)
}

// endings are those of files that SOPS knows by their name.
var endings = []string{".yaml", ".yml", ".json", ".env", ".ini"}

func (l *load) warnSealed(service, dir string) error {
	var sealed []string
	err := fs.WalkDir(l.view.tree, dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.Type().IsRegular() || !slices.Contains(endings, path.Ext(p)) || l.src.Env != nil && p == l.src.Env.Path():
			return nil
		}
		data, err := l.view.peek(p)
		if err == nil && secrets.IsEncryptedFile(data) {
			sealed = append(sealed, l.shown(p))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look through %s: %w", l.shown(dir), err)
	}
	if len(sealed) > 0 {
		l.warn("service %s mounts the folder %s, in which it reads %s as ciphertext: a file that SOPS encrypted is mounted in plain where `secrets:` names it", service, l.shown(dir), strings.Join(sealed, ", "))
	}
	return nil
}
