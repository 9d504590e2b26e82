// Package config owns deployer.yaml: who may deploy what to where. It reads
// the file strictly and reports everything that is wrong with it at once, each
// problem with its line, its path in the document and what would be right.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// A Config is a deployer.yaml that passed every check: paths in it are
// absolute and secrets are loaded. It is not changed after Load.
type Config struct {
	Listen         string                 `yaml:"listen"` // host:port
	TLS            *TLS                   `yaml:"tls"`    // nil: plain HTTP
	TrustedProxies []netip.Prefix         `yaml:"trusted_proxies"`
	MetricsListen  string                 `yaml:"metrics_listen"` // host:port; empty: none of its own
	URL            string                 `yaml:"url"`            // without a slash at the end; may be empty
	Data           string                 `yaml:"data"`
	Workers        int                    `yaml:"workers"`
	Tokens         []Token                `yaml:"tokens"`
	OIDC           *OIDC                  `yaml:"oidc"`
	Secrets        Decryption             `yaml:"secrets"`
	Registries     map[string]Registry    `yaml:"registries"` // by host[:port]
	Repositories   map[string]*Repository `yaml:"repositories"`
	Stacks         map[string]*Stack      `yaml:"stacks"`
	Policy         Policy                 `yaml:"policy"`
	Notify         []Notifier             `yaml:"notify"`
	Retention      Retention              `yaml:"retention"`

	Path string `yaml:"-"` // of the file itself, absolute

	// Warnings are for the log: the file works, but not as one would want.
	Warnings Problems `yaml:"-"`
}

// maxFile bounds deployer.yaml. Hundreds of stacks fit in a tenth of it.
const maxFile = 4 << 20

// Load reads the file at path. Where the file can be read but is not right,
// the error is Problems. Secrets are read from the files and the environment
// variables that deployer.yaml names.
func Load(path string, m Meanings) (*Config, error) {
	text, mode, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read configuration: %w; write it (the source's own deployer.yaml explains every key), or name another with --config", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	doc := &document{file: path, dir: dir, lines: map[string]int{}}
	c := doc.decode(text, m)
	if len(doc.problems) > 0 {
		doc.problems.sort()
		return nil, doc.problems
	}
	doc.warnOfInlineSecrets(mode)
	doc.warnings.sort()
	c.Warnings = doc.warnings
	c.Path = filepath.Join(dir, filepath.Base(path))
	return c, nil
}

func read(path string) (text []byte, mode fs.FileMode, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	text, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return text, info.Mode(), err
}

// decode goes the whole way from text to a checked Config, whatever it meets,
// so that one look shows every problem.
func (d *document) decode(text []byte, m Meanings) *Config {
	c := defaults()
	root := d.parse(text)
	if root == nil {
		return c
	}
	d.structure(root, "", reflect.ValueOf(c).Elem())
	c.complete(d)
	c.validate(d)
	m.validate(d, c)
	return c
}

func defaults() *Config {
	return &Config{
		Listen:    "127.0.0.1:8484",
		Data:      "/var/lib/deployer",
		Workers:   4,
		Policy:    Policy{Base: PolicyBaseline},
		Retention: defaultRetention,
	}
}

// complete fills in what follows from other keys.
func (c *Config) complete(doc *document) {
	c.Data = doc.resolve(c.Data)
	c.URL = strings.TrimSuffix(c.URL, "/")
	for name, r := range c.Repositories {
		r.Name = name
	}
	for name, s := range c.Stacks {
		s.complete(name)
	}
}

func (c *Config) validate(doc *document) {
	c.validateServer(doc)
	validateTokens(doc, c.Tokens)
	c.OIDC.validate(doc, "oidc")
	for host, r := range c.Registries {
		r.validate(doc, join("registries", host), host)
	}
	for name, r := range c.Repositories {
		r.validate(doc, join("repositories", name))
	}
	for name, s := range c.Stacks {
		s.validate(doc, join("stacks", name), c.Repositories)
	}
	validateClaims(doc, c.Stacks)
	validateRenames(doc, c.Stacks)
	c.Policy.validate(doc, "policy")
	for i, n := range c.Notify {
		n.validate(doc, item("notify", i))
	}
	c.Retention.validate(doc, "retention")
	refuseUnsupported(doc, c)
}
