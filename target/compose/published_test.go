package compose

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"deployer/project"
)

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestPublishedNamesWhoHoldsAPort(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.mustApply(r.resolve(strings.NewReplacer("PORT", strconv.Itoa(port)).Replace(`
services:
  web: {image: IMAGE, ports: ["127.0.0.1:PORT:8080"], expose: ["9999"]}
  inner: {image: IMAGE, expose: ["8080"]}
`)))
	mine := func() (out []project.Published) {
		t.Helper()
		all, err := r.Published(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if p.Project == r.name {
				out = append(out, p)
			}
		}
		return out
	}
	got := mine()
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	if got[0].ContainerID == "" {
		t.Error("no id")
	}
	got[0].ContainerID = ""
	want := project.Published{Container: fmt.Sprintf("%s-web-1", r.name), Project: r.name, Service: "web", Address: "127.0.0.1", HostPort: port, Port: 8080, Protocol: "tcp"}
	if got[0] != want {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
	if err := r.Stop(t.Context(), r.name, "web"); err != nil {
		t.Fatal(err)
	}
	if got := mine(); len(got) != 0 {
		t.Errorf("a stopped container holds %+v", got)
	}
}
