package project

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
)

// label sets the labels by which Compose finds its containers again. They are
// not part of its hash of a service.
func (l *load) label(c *types.Project) {
	c.WorkingDir = l.src.Roots.Data
	c.ComposeFiles = nil
	for _, f := range l.files {
		rel, err := filepath.Rel(filepath.Clean(l.src.Dir), f)
		if err != nil {
			rel = f
		}
		c.ComposeFiles = append(c.ComposeFiles, rel)
	}
	for name, s := range c.Services {
		s.CustomLabels = types.Labels{
			api.ProjectLabel:     c.Name,
			api.ServiceLabel:     name,
			api.VersionLabel:     api.ComposeVersion,
			api.WorkingDirLabel:  c.WorkingDir,
			api.ConfigFilesLabel: strings.Join(c.ComposeFiles, ","),
			api.OneoffLabel:      "False",
		}
		c.Services[name] = s
	}
}

// placeBuilds turns build contexts into paths of the tree.
func (l *load) placeBuilds(c *types.Project) error {
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		b := c.Services[name].Build
		if b == nil {
			continue
		}
		if filepath.IsAbs(b.Context) {
			p, err := l.inTree(b.Context)
			if err != nil {
				return fmt.Errorf("service %s: build context %w", name, err)
			}
			b.Context = p
		}
		for key, context := range b.AdditionalContexts {
			if !filepath.IsAbs(context) {
				continue
			}
			p, err := l.inTree(context)
			if err != nil {
				return fmt.Errorf("service %s: build context %s: %w", name, key, err)
			}
			b.AdditionalContexts[key] = p
		}
	}
	return nil
}

// dropUnused removes what has been turned into mounts, what only a developer's
// machine uses, and variables that would steer Compose itself.
func (l *load) dropUnused(c *types.Project) {
	c.Configs, c.DisabledServices, c.Extensions = nil, nil, nil
	build := map[string]bool{}
	for name, s := range c.Services {
		if s.Build != nil {
			for _, ref := range s.Build.Secrets {
				build[ref.Source] = true
			}
		}
		s.Develop = nil
		c.Services[name] = s
	}
	maps.DeleteFunc(c.Secrets, func(name string, _ types.SecretConfig) bool { return !build[name] })
	for name, s := range c.Secrets {
		if p, err := l.inTree(s.File); err == nil {
			s.File = p
			c.Secrets[name] = s
		}
	}
	if len(c.Jobs) > 0 {
		l.warn("jobs are not run: %s; make a service of each with `restart: \"no\"`", strings.Join(slices.Sorted(maps.Keys(c.Jobs)), ", "))
	}
	c.Jobs, c.DisabledJobs = nil, nil
	c.Environment = maps.Clone(c.Environment)
	maps.DeleteFunc(c.Environment, func(name, _ string) bool { return strings.HasPrefix(name, "COMPOSE_") })
}
