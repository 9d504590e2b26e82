package queue

import (
	"path/filepath"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/secrets"
	"deployer/state"
)

// sealedFile is a file as SOPS encrypts it under its name.
func (b *bench) sealedFile(name, plain string) gittest.File {
	b.t.Helper()
	data, err := secrets.EncryptFile(name, []byte(plain), []string{b.recipient}, "")
	b.must(err)
	return gittest.Text(string(data))
}

// keyed is the stack with a key that web mounts as a secret.
func (b *bench) keyed(plain string) gittest.Files {
	files := b.app("shop", "web:1", "")
	files["shop/compose.yaml"] = gittest.Text("services:\n  web: {image: 'web:1', secrets: [key]}\n  db: {image: 'db:1'}\nsecrets: {key: {file: ./tls.key}}\n")
	files["shop/tls.key"] = b.sealedFile("tls.key", plain)
	return files
}

func TestAReviewOfAnEncryptedFileSaysThatItChanges(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Provider = "gitea"
	b.deployed("one", b.keyed("first-"+canary))
	same := b.proposed(gittest.Files{"shop/tls.key": b.sealedFile("tls.key", "first-"+canary)})
	run := b.ends(b.reviewed(b.pull(state.PullOpened, same)), state.RunUnchanged)
	b.says(told(t, run), "would change nothing of this stack")
	before := b.files()
	other := b.proposed(gittest.Files{"shop/tls.key": b.sealedFile("tls.key", "second-"+canary)})
	run = b.ends(b.reviewed(b.pull(state.PullUpdated, other)), state.RunSucceeded)
	b.says(planOf(t, run.Changes), `"files":[{"name":"./tls.key","kind":"changed","why":"mounted by web"}]`)
	if after := b.files(); len(after) != len(before) {
		t.Errorf("it left files: %v, before %v", after, before)
	}
	if text := planOf(t, run.Changes) + b.story(run); strings.Contains(text, canary) {
		t.Errorf("a secret is in:\n%s", text)
	}
}

// A fork's encrypted files are compared as they are committed: no key is in
// reach, and a file that it adds is not opened for it either.
func TestAForksEncryptedFilesAreNotOpened(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Provider, b.stacks[0].PlanForks = "gitea", true
	b.deployed("one", b.keyed("first-"+canary))
	b.stacks[0].Keys.AgeKeyFiles = []string{filepath.Join(b.dir, "no-such.key")} // whoever decrypts fails
	head := b.proposed(gittest.Files{
		"shop/tls.key":      b.sealedFile("tls.key", "second-"+canary),
		"shop/more.yaml":    b.sealedFile("more.yaml", "a: third-"+canary+"\n"),
		"shop/compose.yaml": gittest.Text("services:\n  web: {image: 'web:1', secrets: [key], configs: [more]}\n  db: {image: 'db:1'}\nsecrets: {key: {file: ./tls.key}}\nconfigs: {more: {file: ./more.yaml}}\n"),
	})
	event := b.pull(state.PullOpened, head)
	event.PullRequest.Fork = true
	run := b.ends(b.reviewed(event), state.RunSucceeded)
	b.says(planOf(t, run.Changes), `{"name":"./more.yaml","kind":"added"`, `{"name":"./tls.key","kind":"changed"`, "nothing was decrypted")
	if text := planOf(t, run.Changes) + b.story(run); strings.Contains(text, canary) || strings.Contains(text, "ENC[") {
		t.Errorf("a secret, or its ciphertext, is in:\n%s", text)
	}
}

// What was once encrypted to a key that is retired is gone back to all the same.
func TestAReleaseKeepsItsEncryptedFiles(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.keyed("first-"+canary))
	first := b.stack("shop").Live
	b.deployed("two", gittest.Files{"shop/tls.key": b.sealedFile("tls.key", "second-"+canary)})
	b.stacks[0].Keys.AgeKeyFiles = []string{filepath.Join(b.dir, "no-such.key")}
	kept, err := b.queue.runner.Open(b.stacks[0], first)
	b.must(err)
	found := false
	for _, m := range kept.Project.Mounts {
		found = found || m.Path == "shop/tls.key" && m.Content.Reveal() == "first-"+canary
	}
	if !found {
		t.Errorf("the kept release mounts %+v", kept.Project.Mounts)
	}
	for _, v := range kept.Project.Secrets() {
		if v.Reveal() == "first-"+canary {
			return
		}
	}
	t.Error("its content is not masked")
}
