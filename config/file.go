package config

import (
	"io/fs"
	"os"

	"github.com/goccy/go-yaml/ast"
)

// othersMask are the permissions of users that are neither the owner nor in the group.
const othersMask fs.FileMode = 0o007

// A File is the path of a file that exists and can be read.
type File string

func (f *File) decodeNode(d *document, n ast.Node, path string) {
	if name, ok := d.scalar(n, path); ok {
		*f = File(d.resolve(name))
		d.readableFile(string(*f), path)
	}
}

// A PrivateFile is the path of a file that holds a key: it exists, can be
// read, and gives users other than its owner and group no permission.
type PrivateFile string

func (f *PrivateFile) decodeNode(d *document, n ast.Node, path string) {
	if name, ok := d.scalar(n, path); ok {
		*f = PrivateFile(d.resolve(name))
		d.privateFile(string(*f), path)
	}
}

// readableFile notes a problem unless name is a file that can be opened.
func (d *document) readableFile(name, path string) (fs.FileInfo, bool) {
	info, err := os.Stat(name)
	if err != nil {
		d.fail(path, "create it, or correct the path", "%v", err)
		return nil, false
	}
	if !info.Mode().IsRegular() {
		d.fail(path, "", "%s is not a regular file", name)
		return nil, false
	}
	f, err := os.Open(name)
	if err != nil {
		d.fail(path, "let the user that runs deployer read it", "%v", err)
		return nil, false
	}
	_ = f.Close()
	return info, true
}

func (d *document) privateFile(name, path string) bool {
	info, ok := d.readableFile(name, path)
	if !ok {
		return false
	}
	if info.Mode()&othersMask != 0 {
		d.fail(path, "chmod o= "+name, "%s is open to every user of the machine (mode %04o)", name, info.Mode().Perm())
		return false
	}
	return true
}
