package main

import (
	"strings"
	"testing"
)

// Lines as a container sees them, and as the host does while the Engine copies
// a file out of that container.
func TestOwnContainerIsTheOneWhoseFilesAreMountedHere(t *testing.T) {
	id := strings.Repeat("ba91fe9f", 8)
	const rest = " rw,relatime - ext4 /dev/vda rw\n"
	inside := "91 74 254:0 /var/lib/docker/containers/" + id + "/resolv.conf /etc/resolv.conf" + rest +
		"92 74 254:0 /var/lib/docker/containers/" + id + "/hostname /etc/hostname" + rest
	host := "48 46 254:0 /var/lib/docker/containers/" + id + "/hostname /var/lib/docker/overlay2/3cfd8c2f/merged/etc/hostname" + rest +
		"30 29 254:0 /data/docker/containers/" + id + "/mounts/shm /data/docker/containers/" + id + "/mounts/shm" + rest
	if got := containerOf(inside); got != id {
		t.Errorf("in a container: %q", got)
	}
	if got := containerOf(host); got != "" {
		t.Errorf("on the host it takes itself for container %s", got)
	}
}
