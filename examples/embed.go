// Package examples owns config repositories that work as they are. `deployer
// init` writes them from here, so that there is one source.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed all:registry registry-deployer.yaml
var files embed.FS

// Registry is a Docker registry behind Traefik, with Let's Encrypt.
func Registry() fs.FS { return sub("registry") }

// sub never fails: the names are those of the directive above.
func sub(name string) fs.FS {
	tree, err := fs.Sub(files, name)
	if err != nil {
		panic(err)
	}
	return tree
}

// RegistryServer is a deployer.yaml for the server that Registry runs on.
func RegistryServer() []byte {
	text, err := files.ReadFile("registry-deployer.yaml")
	if err != nil {
		panic(err) // it is among the files of the directive above
	}
	return text
}
