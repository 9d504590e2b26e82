package server

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/state"
)

func TestBackupsAreListedMadeAndRestored(t *testing.T) {
	f := newFixture(t)
	f.call(RoleViewer, http.MethodGet, "/api/v1/backups", "").expect(t, http.StatusOK)
	for _, stack := range []string{"registry", "website"} {
		f.update(func(tx *state.Tx) error {
			return tx.PutBackup(&state.Backup{ID: stack + "_data-20260304_120000", Stack: stack, Project: stack, Volume: stack + "_data",
				Run: "r-1", Why: "by schedule", At: time.Now().UTC(), Archive: "/backups/x.tar.gz", Size: 3, Files: 1, SHA256: "00"})
		})
	}
	page := decodeAs[backupList](t, f.call(RoleViewer, http.MethodGet, "/api/v1/backups?stack=registry", "").expect(t, http.StatusOK))
	if len(page.Backups) != 1 || page.Backups[0].Volume != "registry_data" {
		t.Errorf("%+v", page.Backups)
	}
	f.call(RoleViewer, http.MethodGet, "/api/v1/backups?volume=x", "").expect(t, http.StatusBadRequest)

	f.call(RoleDeployer, http.MethodPost, "/api/v1/stacks/registry/backup", `{"reason": "because"}`).expect(t, http.StatusAccepted)
	if !strings.HasPrefix(f.control.asked, "backup registry {Kind:api Actor:the-deployer") || !strings.Contains(f.control.asked, "because") {
		t.Errorf("asked for %s", f.control.asked)
	}
	f.call(RoleDeployer, http.MethodPost, "/api/v1/stacks/none/backup", "").expect(t, http.StatusNotFound)
	f.call(RoleAdmin, http.MethodPost, "/api/v1/backups/none/restore", "").expect(t, http.StatusNotFound)
	f.call(RoleAdmin, http.MethodPost, "/api/v1/backups/registry_data-20260304_120000/restore", "").expect(t, http.StatusAccepted)
	if !strings.HasPrefix(f.control.asked, "restore registry_data-20260304_120000 ") {
		t.Errorf("asked for %s", f.control.asked)
	}
}

func TestASnapshotIsADatabase(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunSucceeded)
	a := f.call(RoleAdmin, http.MethodGet, "/api/v1/snapshot", "").expect(t, http.StatusOK)
	path := filepath.Join(t.TempDir(), "deployer.db")
	if err := os.WriteFile(path, []byte(a.body), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.View(func(tx *state.Tx) error { _, err := tx.Run(run.ID); return err }); err != nil {
		t.Error(err)
	}
}
