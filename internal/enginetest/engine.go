// Package enginetest owns what tests on a real Docker Engine share: a client,
// images made without a registry, unique names, and their removal.
package enginetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"
)

// Prefix starts the name of everything that tests create on the Engine.
const Prefix = "deployer-test-"

// Client returns a client of the Engine that DOCKER_HOST names, or of the
// local one. Where none answers the test is skipped, or fails when
// DEPLOYER_TEST_REQUIRE_ENGINE=1.
func Client(t testing.TB) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := c.Ping(ctx); err != nil {
		if os.Getenv("DEPLOYER_TEST_REQUIRE_ENGINE") == "1" {
			t.Fatalf("this test needs a Docker Engine: %v", err)
		}
		t.Skipf("no Docker Engine answers, this test needs one: %v", err)
	}
	return c
}

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// Name returns a compose project name that no other test uses.
func Name(t testing.TB) string {
	name := strings.Trim(unfit.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	if len(name) > 30 {
		name = strings.TrimRight(name[:30], "-")
	}
	return Prefix + name + "-" + random()
}

func random() string {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
