package main

import (
	"deployer/config"
	"deployer/notify"
)

// load reads deployer.yaml and reports everything that is wrong with it, by
// what the rooms know that its values are for.
func load(path string) (*config.Config, error) {
	return config.Load(path, config.Meanings{
		Notify: notify.Check,
		Forge: func(r *config.Repository) error {
			_, err := forgeOf(r)
			return err
		},
	})
}
