package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// clean removes everything that a demo made.
func (d *demo) clean(ctx context.Context) error {
	if err := d.clear(ctx); err != nil {
		return err
	}
	if err := removeDemoImage(ctx); err != nil {
		return err
	}
	d.say("the demo is gone: server, containers, network, image and %s", d.dir)
	return nil
}

// clear stops the server of the demo before and removes its containers and its folder.
func (d *demo) clear(ctx context.Context) error {
	if raw, err := os.ReadFile(d.path("server.pid")); err == nil {
		stopServer(strings.TrimSpace(string(raw)), d.path("deployer.yaml"))
	}
	if err := removeDemoContainers(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(d.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// stopServer ends the process of that number, where it is the demo's server.
func stopServer(pid, config string) {
	line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	if err != nil || !bytes.Contains(line, []byte(config)) {
		return
	}
	var number int
	if _, err := fmt.Sscan(pid, &number); err != nil {
		return
	}
	_ = syscall.Kill(number, syscall.SIGTERM)
	for range 200 {
		if syscall.Kill(number, 0) != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = syscall.Kill(number, syscall.SIGKILL)
}
