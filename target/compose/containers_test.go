package compose

import (
	"net"
	"testing"
	"time"
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

func TestContainersTellTheirAddresses(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve("services: {web: {image: IMAGE}, job: {image: IMAGE, command: ['true']}}"))
	list := r.containers()
	if got := list["web-1"].Addresses; len(got) != 1 {
		t.Fatalf("web has the addresses %v", got)
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(list["web-1"].Addresses[0], "8080"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if got := list["job-1"].Addresses; len(got) != 0 {
		t.Errorf("what has ended has the addresses %v", got)
	}
}
