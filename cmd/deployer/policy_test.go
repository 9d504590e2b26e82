package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"deployer/config"
	"deployer/project/policy"
)

func TestDeployerYAMLKnowsEveryRule(t *testing.T) {
	if rules := policy.Rules(); !maps.Equal(rules, config.PolicyRules) {
		t.Errorf("the rules are %v, deployer.yaml knows %v", rules, config.PolicyRules)
	}
}

func TestThePolicyPageHasEveryRule(t *testing.T) {
	text := read(t, "../../docs/policy.md")
	for name, takesParameter := range policy.Rules() {
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+"[:") {
			t.Errorf("docs/policy.md has no rule %s", name)
		}
		if strings.Contains(text, "`"+name+"[:") != takesParameter {
			t.Errorf("docs/policy.md is wrong about the parameter of %s", name)
		}
	}
}

func TestCheckJudgesByAPolicy(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "compose.yaml"), "services:\n  web: {image: \"nginx:1\", privileged: true}\n")
	deployer(t, "", "check", dir).want(t, 0, "warned", "policy", "refused unless the server's policy allows it: privileged: service web")
	deployer(t, "", "check", dir, "--policy", "baseline").want(t, 1, "policy", "service web", "privileged: true", "allow: [privileged]")
	deployer(t, "", "check", dir, "--policy", "none").want(t, 0, "none refuses nothing")
	deployer(t, "", "check", dir, "--policy", "tight").want(t, 2, "none, baseline or strict")
}

func TestRealNameFollowsSymlinksAsFarAsThereIsSomething(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/run/docker.sock.not.there", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "here")); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"up": "../../../../../../../../no-root", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := realName(dir + "/loop"); err == nil {
		t.Error("a symlink to itself is followed")
	}
	for path, want := range map[string]string{
		dir + "/up":            "/no-root",
		dir + "/up/new/file":   "/no-root/new/file",
		dir + "/dangling/x":    "/run/docker.sock.not.there/x",
		dir + "/here/up":       "/no-root",
		dir + "/here":          dir,
		dir + "/here/new/file": dir + "/new/file",
		dir + "/dangling":      "/run/docker.sock.not.there",
		dir + "/../" + filepath.Base(dir) + "/here": dir,
		"/no/such/path": "/no/such/path",
	} {
		if got, err := realName(path); err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", path, got, want, err)
		}
	}
}
