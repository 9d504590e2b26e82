package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"time"

	"deployer/config"
	"deployer/target/compose"
)

// target returns the target that a stack of the configuration runs on; stacks
// on one Engine share it.
func (a *app) target(want config.Target) (*compose.Target, error) {
	key, err := targetKey(want)
	if err != nil {
		return nil, err
	}
	if t, ok := a.targets[key]; ok {
		return t, nil
	}
	t, err := compose.New(compose.Options{
		Host: want.Docker, CAFile: string(want.CAFile), CertFile: string(want.CertFile), KeyFile: string(want.KeyFile),
		Clock: time.Now, Auth: a.registryAuth, Container: a.container,
	})
	if err != nil {
		return nil, err
	}
	a.targets[key] = t
	return t, nil
}

// targetKey tells targets apart by what they are made of: the Engine's address
// and the certificates, as their files have them now.
func targetKey(t config.Target) (string, error) {
	key := t.Docker
	for _, file := range []config.File{t.CAFile, t.CertFile, config.File(t.KeyFile)} {
		if file == "" {
			continue
		}
		content, err := os.ReadFile(string(file))
		if err != nil {
			return "", err
		}
		key += fmt.Sprintf(" %s %x", file, sha256.Sum256(content))
	}
	return key, nil
}

// registryAuth reads the credentials for a registry as they are now.
func (a *app) registryAuth(_ context.Context, host string) (username, password string, err error) {
	return loginOf(a.inForce.Load().config, host)
}

// loginOf reads what deployer.yaml names for a registry; nothing where it
// names none.
func loginOf(c *config.Config, host string) (username, password string, err error) {
	r, ok := c.Registries[host]
	if !ok {
		return "", "", nil
	}
	if password, err = r.Password.Read(); err != nil {
		return "", "", fmt.Errorf("password for the registry %s: %w", host, err)
	}
	return r.Username, password, nil
}
