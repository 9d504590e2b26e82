package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeHelper puts a script into the PATH as docker-credential-fake.
func fakeHelper(t *testing.T, script string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "docker-credential-fake"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	return folder
}

func TestHelperThatHangsIsEndedWithAllThatItStarted(t *testing.T) {
	for what, script := range map[string]string{
		"it waits":                "sleep 60 & echo $! > %[1]s/child; echo $$ > %[1]s/self; wait",
		"it ignores its end":      "trap '' TERM INT HUP; sleep 60 & echo $! > %[1]s/child; echo $$ > %[1]s/self; while :; do sleep 1; done",
		"its child has its pipes": "sh -c 'echo $$ > %[1]s/child; echo asleep >&2; exec sleep 60' & echo $$ > %[1]s/self; wait",
	} {
		t.Run(what, func(t *testing.T) {
			seen := t.TempDir()
			fakeHelper(t, fmt.Sprintf(script, seen))
			ctx, done := context.WithTimeout(t.Context(), time.Second)
			defer done()
			started := time.Now()
			_, err := askHelper(ctx, "fake", "registry.example.com")
			if err == nil || !strings.Contains(err.Error(), "docker-credential-fake did not answer in time, and was ended") {
				t.Errorf("it says %v", err)
			}
			if took := time.Since(started); took > helperLimit/2 {
				t.Errorf("it took %s", took)
			}
			for _, name := range []string{"self", "child"} {
				raw, err := os.ReadFile(filepath.Join(seen, name))
				if err != nil {
					t.Fatal(err)
				}
				var pid int
				if _, err := fmt.Sscan(string(raw), &pid); err != nil {
					t.Fatal(err)
				}
				mustBeGone(t, name, pid)
			}
		})
	}
}

// mustBeGone waits until a process has ended; one that nobody has waited for is.
func mustBeGone(t *testing.T, name string, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for syscall.Kill(pid, 0) == nil {
		if raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); strings.Contains(string(raw), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("%s, process %d, goes on", name, pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestWhatHelpersAnswerAndSay(t *testing.T) {
	t.Setenv("VAULT_SECRET_OF_TEST", "from-the-environment")
	for what, c := range map[string]struct {
		script         string
		user, token    string
		says, hint     string
		fails, nothing bool
	}{
		"credentials":      {script: `echo '{"Username":"ada","Secret":"lovelace"}'`, user: "ada"},
		"an identity":      {script: `echo '{"Username":"<token>","Secret":"lovelace"}'`, token: "lovelace"},
		"none":             {script: `echo 'credentials not found in native keychain'; exit 1`, nothing: true},
		"what is left on":  {script: `sleep 30 & echo '{"Username":"ada","Secret":"lovelace"}'`, user: "ada"},
		"why":              {script: `echo 'the keychain of ada is locked' >&2; exit 1`, fails: true, says: "it says: the keychain of ada is locked", hint: "docker-credential-fake get"},
		"its answer":       {script: `echo '{"Username":"ada","Secret":"lovelace"'; echo 'cannot use lovelace' >&2; exit 1`, fails: true, says: "cannot use [redacted]"},
		"its environment":  {script: `echo "cannot use $VAULT_SECRET_OF_TEST" >&2; exit 1`, fails: true, says: "cannot use [redacted]"},
		"a token":          {script: `echo 'cannot use ghp_16C7e42F292c6912E7710c838347Ae178B4a' >&2; exit 1`, fails: true, says: "cannot use [redacted]"},
		"what is no text":  {script: `printf 'a\033[31m\0b\nc' >&2; exit 1`, fails: true, says: "it says: a [31m b c"},
		"a long complaint": {script: `i=0; while [ $i -lt 200 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 1`, fails: true, says: "line 199"},
		"without end":      {script: `while :; do echo lovelace lovelace lovelace lovelace lovelace; done`, fails: true, says: "wrote more than 1048576 bytes, and was ended"},
		"without end, err": {script: `while :; do echo lovelace lovelace lovelace lovelace >&2; done`, fails: true, says: "wrote more than 1048576 bytes, and was ended"},
		"nonsense":         {script: `echo '{lovelace'`, fails: true, says: "answers with what is not the JSON of a credential helper"},
		"is not there":     {script: "MISSING", fails: true, says: "is not in the PATH of deployer, which is /", hint: "install docker-credential-not-there into one of its folders"},
	} {
		t.Run(what, func(t *testing.T) {
			fakeHelper(t, c.script)
			name := "fake"
			if c.script == "MISSING" {
				name = "not-there"
			}
			auth, err := askHelper(t.Context(), name, "registry.example.com")
			if (err != nil) != c.fails || auth.Username != c.user || auth.IdentityToken != c.token {
				t.Fatalf("%+v, %v", auth, err)
			}
			if !c.fails {
				return
			}
			failure, ok := err.(*credentialsError)
			if !ok || !strings.Contains(err.Error(), c.says) || !strings.Contains(failure.hint, c.hint) || len(err.Error()) > 600 {
				t.Errorf("%v; %+v", err, failure)
			}
			if strings.Count(err.Error(), "lovelace") > 0 && what != "without end, err" || strings.Contains(err.Error(), "from-the-env") || strings.Contains(err.Error(), "ghp_") {
				t.Errorf("a secret is in: %v", err)
			}
		})
	}
}
