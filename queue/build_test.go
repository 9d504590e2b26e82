package queue

import (
	"context"
	"io"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/project"
	"deployer/state"
)

// A buildingTarget makes images of nothing.
type buildingTarget struct{ *fakeTarget }

func (buildingTarget) BuildTag(stack string, b *project.Build) string {
	return stack + ":" + b.Hash[:8]
}

func (t buildingTarget) Build(_ context.Context, stack string, b *project.Build, _ io.Writer) (string, bool, error) {
	return t.BuildTag(stack, b), false, nil
}

// What is baked into an image is not secret any more: preflight names it.
func TestSecretAmongBuildArgumentsIsWarnedOf(t *testing.T) {
	b := newBench(t)
	b.stacks[0].Target = buildingTarget{b.target}
	b.renew()
	b.serve()
	files := b.app("shop", "app:1", "deploy: {build: true}\n")
	files["shop/Dockerfile"] = gittest.Text("FROM scratch\n")
	files["shop/compose.yaml"] = gittest.Text("services: {web: {build: {context: ., args: {TOKEN: \"x${PASSWORD}\", LEVEL: info}}}}\n")
	run := b.deployed("build", files)
	if log := b.log(run); !strings.Contains(log, "build: warned service web: build: args: TOKEN: a secret") || strings.Contains(log, "LEVEL") || strings.Contains(log, canary) {
		t.Errorf("log:\n%s", log)
	}
	files["shop/compose.yaml"] = gittest.Text("services: {web: {build: {context: ., args: {LEVEL: debug}}}}\n")
	if log := b.log(b.ends(b.push("none", files), state.RunSucceeded)); strings.Contains(log, "warned service web: build") {
		t.Errorf("log:\n%s", log)
	}
}
