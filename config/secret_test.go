package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
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
	s := newSecret("hunter22")
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
