package compose

import (
	"testing"
)

func TestStatusText(t *testing.T) {
	for status, want := range map[string]struct {
		health string
		code   int
	}{
		"Up 3 seconds":                          {"", 0},
		"Up 3 seconds (healthy)":                {"healthy", 0},
		"Up 1 second (health: starting)":        {"starting", 0},
		"Up About an hour (unhealthy)":          {"unhealthy", 0},
		"Up 2 hours (Paused)":                   {"", 0},
		"Exited (137) 5 minutes ago":            {"", 137},
		"Exited (0) Less than a second ago":     {"", 0},
		"Restarting (1) Less than a second ago": {"", 1},
		"Created":                               {"", 0},
	} {
		if got := health(status); got != want.health {
			t.Errorf("%q: health %q, want %q", status, got, want.health)
		}
		if got := exitCode(status); got != want.code {
			t.Errorf("%q: exit code %d, want %d", status, got, want.code)
		}
	}
}
