package config

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	good := map[string]time.Duration{
		"0": 0, "90s": 90 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute,
		"365d": 365 * 24 * time.Hour, "0d": 0,
	}
	for s, want := range good {
		if got, err := parseDuration(s); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "5", "-5m", "-1d", "d", "1.5d", "999999999d", "5 m", "1w"} {
		if got, err := parseDuration(s); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", s, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	good := map[string]Size{"0B": 0, "512KiB": 512 << 10, "16MiB": 16 << 20, "1 GiB": 1 << 30, "2MB": 2e6, "7B": 7}
	for s, want := range good {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("parseSize(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "16", "MiB", "-1MiB", "1.5MiB", "99999999999GiB", "16mib", "16M"} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("parseSize(%q) = %v, want an error", s, got)
		}
	}
}

func TestNearest(t *testing.T) {
	options := []string{"branch", "directory", "enabled", "ca_file", "key_file"}
	for word, want := range map[string]string{
		"brnach": "branch", "Branch": "branch", "directroy": "directory", "enable": "enabled",
		"keyfile": "key_file", "timeout": "", "x": "",
	} {
		if got := nearest(word, options); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
