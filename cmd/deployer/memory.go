package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// memoryFolder returns a folder for the files that hold secrets and that the
// Engine needs: on tmpfs, so that they are gone with the machine's power, and
// of this data folder alone.
func memoryFolder(data string) (string, error) {
	sum := sha256.Sum256([]byte(data))
	for _, dir := range []string{os.Getenv("RUNTIME_DIRECTORY"), "/run", "/dev/shm"} {
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
			continue
		}
		own := filepath.Join(dir, "deployer-"+hex.EncodeToString(sum[:4]))
		if os.MkdirAll(own, 0o700) == nil {
			return own, nil
		}
	}
	return "", fmt.Errorf("neither /run nor /dev/shm is a tmpfs that can be written: files with secrets would reach the disk; give deployer a RuntimeDirectory= in its unit")
}

// memoryRemedy says how a container gets a folder for files that hold secrets
// in place of the one that was taken.
func memoryRemedy(taken string) string {
	asked := os.Getenv("RUNTIME_DIRECTORY")
	if asked == "" || filepath.Dir(taken) == filepath.Clean(asked) {
		return "start the container with -v /run/deployer:/run/deployer and -e RUNTIME_DIRECTORY=/run/deployer"
	}
	why := "is not writable for deployer's user"
	var fs unix.Statfs_t
	switch err := unix.Statfs(asked, &fs); {
	case err != nil:
		why = "cannot be used: " + err.Error()
	case fs.Type != unix.TMPFS_MAGIC:
		why = "is not on tmpfs"
	}
	return fmt.Sprintf("RUNTIME_DIRECTORY=%[1]s was not taken, since it %[2]s; give the container a folder of the host's tmpfs that user %[3]d may write, at the same path inside and out (on the host: findmnt -T %[1]s)",
		asked, why, os.Getuid())
}
