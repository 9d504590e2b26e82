package queue

import (
	"testing"

	"deployer/gitsync/gittest"
	"deployer/state"
)

func TestEveryKeyOfTheExampleMustBeSet(t *testing.T) {
	b := newBench(t).serve()
	files := b.app("shop", "app:1", "env_example: .env.example\n")
	files["shop/.env.example"] = gittest.Text("PASSWORD=\nMAIL_FROM=\nMAIL_HOST=\n")
	run := b.ends(b.push("two keys are missing", files), state.RunFailed)
	b.says(b.story(run), "example", "MAIL_FROM, MAIL_HOST")
	if _, changes := b.target.counts(); changes != 0 {
		t.Fatal("the stack was changed")
	}
	b.deployed("they are set", gittest.Files{"shop/.env.production": b.encrypted("PASSWORD="+canary, "MAIL_FROM=a", "MAIL_HOST=b")})

	files = b.app("shop", "app:2", "env_example: .env.example\n")
	delete(files, "shop/.env.production")
	files["shop/.env.example"] = gittest.Removed()
	b.says(b.story(b.ends(b.push("the example is gone", files), state.RunFailed)), "read env_example")
}

func TestTheStacksFilesAreLookedThroughForItsSecrets(t *testing.T) {
	b := newBench(t).serve()
	files := b.app("shop", "app:1", "preflight: [{check: encrypted}]\nenv_example: .env.example\n")
	files["shop/.env.example"] = gittest.Text("PASSWORD=CHANGE_ME\n")
	files[".sops.yaml"] = gittest.Text("creation_rules:\n  - path_regex: '[.]env[.]production$'\n    age: " + b.recipient + "\n")
	files["shop/conf/app.ini"] = gittest.Text("password = " + canary + "\n")
	run := b.ends(b.push("a secret in another file", files), state.RunFailed)
	b.says(b.story(run), "encrypted", "conf/app.ini holds the value of PASSWORD in clear (line 1)")
	b.deployed("it is taken out", gittest.Files{"shop/conf/app.ini": gittest.Text("password = ${PASSWORD}\n")})
	run = b.ends(b.push("left as in the example", gittest.Files{"shop/.env.production": b.encrypted("PASSWORD=CHANGE_ME")}), state.RunFailed)
	b.says(b.story(run), "example", "value of your own: PASSWORD")
}
