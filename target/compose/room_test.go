package compose

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestAContainerMakesRoomAndComesBack(t *testing.T) {
	r := newRig(t)
	port := strconv.Itoa(freePort(t))
	r.mustApply(r.resolve(strings.ReplaceAll(`services: {web: {image: IMAGE, restart: always, ports: ["127.0.0.1:PORT:8080"]}}`, "PORT", port)))
	before, err := r.Containers(t.Context(), r.name)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // repeated, it is no error
		if err := r.StopContainer(t.Context(), before[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatalf("the port is still held: %v", err)
	}
	if err := r.StartContainer(t.Context(), before[0].ID); err == nil {
		t.Error("it has started although its port is taken")
	}
	_ = l.Close()
	for range 2 {
		if err := r.StartContainer(t.Context(), before[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	after, err := r.Containers(t.Context(), r.name)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != 1 || after[0].ID != before[0].ID || after[0].State != "running" {
		t.Errorf("got %+v, want the same container", after)
	}
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	gone := strings.Repeat("0", 64)
	if err := r.StopContainer(t.Context(), gone); err != nil {
		t.Error(err)
	}
	if err := r.StartContainer(t.Context(), gone); err != nil {
		t.Error(err)
	}
}
