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

// Who has given the folder already is told why it was not taken.
func TestFolderForSecretsThatWasNotTakenIsNamed(t *testing.T) {
	for asked, want := range map[string]string{
		"":             "start the container with -v /run/deployer:/run/deployer",
		"/dev/shm":     "start the container with -v /run/deployer:/run/deployer",
		"/proc":        "RUNTIME_DIRECTORY=/proc was not taken, since it is not on tmpfs",
		"/nonexistent": "RUNTIME_DIRECTORY=/nonexistent was not taken, since it cannot be used: no such file or directory",
	} {
		t.Setenv("RUNTIME_DIRECTORY", asked)
		if got := memoryRemedy("/dev/shm/deployer-00000000"); !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %q", asked, got, want)
		}
	}
}
