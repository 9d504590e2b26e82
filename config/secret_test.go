package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestSecretsReadRedactedHoweverTheyArePrinted(t *testing.T) {
	type holder struct {
		Password Secret
		Several  SecretList
		hidden   Secret
		pointer  *Secret
	}
	plain := "hunter22"
	s := Secret{plain: &plain, file: "/etc/deployer/password", given: true}
	h := holder{Password: s, Several: SecretList{s}, hidden: s, pointer: &s}

	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out = append(out, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, h), fmt.Sprintf(verb, &h))
	}
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("loaded", "secret", s, "holder", h)
	slog.New(slog.NewTextHandler(&log, nil)).Info("loaded", "secret", s, "holder", h)
	out = append(out, string(asJSON), string(asYAML), log.String())

	for _, text := range out {
		if strings.Contains(text, "hunter22") || strings.Contains(text, fmt.Sprintf("%x", "hunter22")) {
			t.Errorf("the secret shows in %s", text)
		}
	}
	if s.Reveal() != "hunter22" {
		t.Error("Reveal does not give the secret")
	}
}

func TestASecretInAFileIsReadAsItIsNow(t *testing.T) {
	path := server(t, []byte("registries: {registry.example.com: {username: u, password_file: secret}}\n"))
	c, err := Load(path, Meanings{})
	if err != nil {
		t.Fatal(err)
	}
	secret := c.Registries["registry.example.com"].Password
	file := filepath.Join(filepath.Dir(path), "secret")
	replace := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace("replaced\n")
	if now, err := secret.Read(); err != nil || now != "replaced" || secret.Reveal() != "from-file" {
		t.Errorf("Read = %q, %v; Reveal = %q", now, err, secret.Reveal())
	}
	replace("\n")
	if now, err := secret.Read(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("an empty file reads %q, %v", now, err)
	}
}
