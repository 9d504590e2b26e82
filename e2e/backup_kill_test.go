package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/internal/producttest"
	"deployer/state"
)

// What a kill in the middle of a backup has paused or stopped goes on at the
// next start, and the backup is made.
func TestKilledWhileServicesAreHeld(t *testing.T) {
	t.Parallel()
	for mode, held := range map[string]string{"paused": "paused", "stopped": "exited"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newKeptStack(t)
			s.deployed(", mode: " + mode)
			s.Stop()
			s.standBeforeTheEngine()
			s.Start()
			before := s.holds()
			s.proxy.killAt(1<<20, false, func() {})
			s.backup()
			requests := s.proxy.changes()
			for n := 1; n <= len(requests); n++ {
				for _, after := range []bool{false, true} {
					known := len(s.backups())
					s.proxy.killAt(n, after, s.Shooter())
					var run state.Run
					_, _ = s.TryCall("admin", http.MethodPost, "/api/v1/stacks/"+s.Stack+"/backup", nil, &run)
					<-s.Exited()
					doing := s.proxy.disarm()
					if doing == "" {
						t.Fatalf("request %d of %v never came", n, requests)
					}
					seen := s.state()
					if strings.HasSuffix(doing, "/pause") && after && seen != held {
						t.Errorf("killed after %s the container is %s", doing, seen)
					}
					s.Start()
					run = *s.last()
					producttest.MustEnd(t, s.Wait(run.ID), state.RunSucceeded)
					if s.mustBeTidy(); len(s.backups()) != known+1 || s.holds() != before {
						t.Errorf("killed at %s: %d backups, had %d", doing, len(s.backups()), known)
					}
				}
			}
			t.Logf("killed before and after each of %v", requests)
		})
	}
}

// What reached a volume when the server died is removed at its next start.
func TestHelpersGoAtTheStart(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	s.Kill()
	helper, err := s.Engine.ContainerCreate(t.Context(), &container.Config{Image: s.image, Labels: map[string]string{"deployer.volume-helper": s.Stack}},
		&container.HostConfig{Binds: []string{s.volume() + ":/volume"}}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = s.Engine.ContainerRemove(context.Background(), helper.ID, container.RemoveOptions{Force: true})
	}()
	s.Start()
	s.Eventually(10*time.Second, "the helper is gone", func() bool {
		_, err := s.Engine.ContainerInspect(t.Context(), helper.ID)
		return err != nil
	})
	s.mustBeTidy()
}

// A kill in the middle of a restore is made up for by the next start.
func TestKilledWhileAVolumeIsReplaced(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	before := s.holds()
	s.Stop()
	s.standBeforeTheEngine()
	s.Start()
	b := s.backup()
	s.fill("newer")
	s.proxy.killAt(1<<20, false, func() {})
	if out, code := s.CLI("restore", b.ID, "--yes"); code != 0 {
		t.Fatalf("restore: exit %d\n%s", code, out)
	}
	requests := s.proxy.changes()
	for n := 1; n <= len(requests); n++ {
		s.fill("newer")
		newer := s.holds()
		after := n%2 == 0
		s.proxy.killAt(n, after, s.Shooter())
		_, _ = s.TryCall("admin", http.MethodPost, "/api/v1/backups/"+b.ID+"/restore", nil, nil)
		select {
		case <-s.Exited():
		case <-time.After(time.Minute):
			t.Fatalf("request %d of %v never came", n, requests)
		}
		doing := s.proxy.disarm()
		s.Start()
		run := s.Wait(s.last().ID)
		producttest.MustEnd(t, run, state.RunSucceeded)
		if got := s.holds(); got != before {
			t.Errorf("killed at %s the volume holds\n%s\nnot\n%s", doing, got, before)
		}
		s.mustBeTidy()
		if run.Replaces == nil || run.Replaces.Safety == "" {
			t.Fatalf("killed at %s: no safety backup in %+v", doing, run.Replaces)
		}
		if n == len(requests)/2 { // what was there can be had again
			if out, code := s.CLI("restore", run.Replaces.Safety, "--yes"); code != 0 || s.holds() != newer {
				t.Errorf("restore of what was there: exit %d\n%s", code, out)
			}
		}
	}
	t.Logf("killed at each of %v", requests)
}
