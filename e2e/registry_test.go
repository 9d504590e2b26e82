package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"deployer/internal/producttest"
	"deployer/state"
)

// From development to production, back, and forth again, each with one
// command; the first certificate is rehearsed on the port that the development
// proxy holds.
func TestRegistryIsPromotedAndBack(t *testing.T) {
	t.Parallel()
	s := newRegistryStack(t)
	known := s.knows() // the Engine looks into /etc/hosts every five seconds
	s.Repo.Commit("main", "a registry", s.files())
	s.deploys("--environment", "dev")
	dev := s.Containers()
	if dev["ui"] == "" || s.Now().Live.Environment != "dev" {
		t.Errorf("development runs %v in environment %s", dev, s.Now().Live.Environment)
	}
	local := s.Image()
	atDev := fmt.Sprintf("localhost:%d/team/early:1", s.own)
	if err := s.pushImage(local, atDev, "dev", "only-for-localhost"); err != nil {
		t.Errorf("push in development: %v", err)
	}

	s.deploys()
	run := s.Wait(s.History()[0].ID)
	if step := stepOf(run, "acme_rehearsal"); step.Status != state.StepPassed || !strings.Contains(step.Message, "traefik") {
		t.Errorf("the rehearsal %s: %s", step.Status, step.Message)
	}
	if step := stepOf(run, "tls "+s.host); step.Status != state.StepPassed {
		t.Errorf("the certificate %s: %s", step.Status, step.Message)
	}
	production := s.Containers()
	if production["ui"] != "" {
		t.Error("the UI runs in production too")
	}
	if err := s.pullImage(atDev, "dev", "only-for-localhost"); err == nil {
		t.Error("the registry's own port is open in production too")
	}
	if known {
		s.takesAndGives(t, local)
		early := s.address() + "/team/early:1"
		if err := s.pullImage(early, s.value("REGISTRY_USERNAME"), s.value("REGISTRY_PASSWORD")); err != nil {
			t.Errorf("what development stored is gone: %v", err)
		}
	}

	s.deploys("--environment", "dev")
	if now := s.Now(); now.Sync != "pinned" || now.Live.Environment != "dev" {
		t.Errorf("back in development the stack is %s in %s", now.Sync, now.Live.Environment)
	}
	s.deploys()
	run = s.Wait(s.History()[0].ID)
	if step := stepOf(run, "tls "+s.host); step.Status != state.StepPassed {
		t.Errorf("the certificate %s: %s", step.Status, step.Message)
	}
	if now := s.Now(); now.Sync != "in_sync" {
		t.Errorf("in production again the stack is %s", now.Sync)
	}
}

// deploys runs `deployer deploy` and wants it to end well.
func (s *registryStack) deploys(flags ...string) {
	s.t.Helper()
	if out, code := s.CLI(append([]string{"deploy", s.Stack}, flags...)...); code != 0 {
		s.t.Fatalf("deploy %v: exit %d\n%s\n%s", flags, code, out, s.Log)
	}
}

// stepOf is the last step whose name begins like this.
func stepOf(run *state.Run, name string) (found state.Step) {
	for _, stage := range run.Stages {
		for _, step := range stage.Steps {
			if strings.HasPrefix(step.Name, name) {
				found = step
			}
		}
	}
	return found
}

// A push with one thing wrong changes nothing, and says what it is.
func TestBadPushesOfTheRegistryAreRefused(t *testing.T) {
	t.Parallel()
	s := promotedRegistry(t)
	good, before := s.snapshot(), s.Containers()
	for _, bad := range []struct {
		name, step, says string
		change           func()
	}{
		{"placeholder left", "example", "REGISTRY_USERNAME", func() { s.set("REGISTRY_USERNAME", "CHANGE_ME_IN_PRODUCTION") }},
		{"weak password", "credentials", "strength", func() { s.set("REGISTRY_PASSWORD", "registry-admin2024") }},
		{"exposed port", "ports", "5000", func() {
			s.edit("compose.yaml", "    secrets: [htpasswd]\n", "    secrets: [htpasswd]\n    ports: [\"5000:5000\"]\n")
		}},
		{"port that nobody chose", "ports", "port", func() {
			s.edit("compose.yaml", "    secrets: [htpasswd]\n", "    secrets: [htpasswd]\n    ports: [\"${REGISTRY_EXPOSE_PORT}:5000\"]\n")
		}},
		{"resolver that does not exist", "traefik", "letsencrypt", func() {
			s.set("REGISTRY_TLS_CERTRESOLVER", "letsencrypt")
			s.edit("pipeline.yaml", "REGISTRY_TLS_CERTRESOLVER: le}", "REGISTRY_TLS_CERTRESOLVER: letsencrypt}")
		}},
		{"e-mail placeholder", "traefik", "placeholder", func() {
			s.edit("server/Traefik/traefik.yml", "email: \"ops@", "email: \"votre-email@mondomaine.com\" # ops@")
		}},
		{"wrong hash", "credentials", "hash", func() {
			s.set("REGISTRY_HTPASSWD", s.value("REGISTRY_USERNAME")+":$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
		}},
		{"not encrypted", "encrypted", ".env.production", func() {
			plain := s.run("secrets", "decrypt", "--age-key", s.Path("age.key"), s.dir+"/.env.production")
			s.write(".env.production", plain)
		}},
		{"changed volume", "volumes", "registry_data", func() {
			s.edit("compose.yaml", "  registry_data:\n", "  registry_data: {driver_opts: {type: tmpfs, device: tmpfs}}\n")
		}},
	} {
		t.Run(bad.name, func(t *testing.T) {
			bad.change()
			run := s.push(bad.name)
			s.restore(good)
			producttest.MustEnd(t, run, state.RunFailed)
			step := stepOf(run, bad.step)
			if step.Status != state.StepFailed || !strings.Contains(step.Message, bad.says) || step.Hint == "" {
				t.Errorf("%s %s: %s (hint %q), want it to fail and say %q", step.Name, step.Status, step.Message, step.Hint, bad.says)
			}
			if after := s.Containers(); !maps.Equal(after, before) {
				t.Errorf("containers were %v, are %v", before, after)
			}
		})
	}
	t.Run("DNS wrong", func(t *testing.T) {
		s.ca.Resolve(s.host, "192.0.2.1")
		s.edit("compose.yaml", "registry-cors.headers.accesscontrolmaxage: \"600\"", "registry-cors.headers.accesscontrolmaxage: \"60\"")
		run := s.push("DNS wrong")
		s.restore(good)
		s.ca.Resolve(s.host, "127.0.0.1")
		producttest.MustEnd(t, run, state.RunFailed)
		if step := stepOf(run, "dns"); step.Status != state.StepFailed || !strings.Contains(step.Message, "192.0.2.1") {
			t.Errorf("dns %s: %s", step.Status, step.Message)
		}
	})
}

// restore takes the working copy back.
func (s *registryStack) restore(files map[string]string) {
	s.t.Helper()
	for name, text := range files {
		s.write(name, text)
	}
}

// A registry that crashes at its start, and a CA that refuses a new name, take
// the stack back to what ran before.
func TestBadPushesOfTheRegistryGoBack(t *testing.T) {
	t.Parallel()
	s := promotedRegistry(t)
	good := s.snapshot()
	// What fails does so at once, or never: nobody has to wait for it here.
	within := func() { s.edit("pipeline.yaml", "min_days: 14, within: 2m", "min_days: 14, within: 10s") }

	t.Run("a registry that crashes", func(t *testing.T) {
		s.edit("compose.yaml", `REGISTRY_STORAGE_DELETE_ENABLED: "true"`, `REGISTRY_HTTP_ADDR: "256.256.0.1:5000"`)
		run := s.push("crashes")
		s.restore(good)
		producttest.MustEnd(t, run, state.RunRolledBack)
		if !strings.Contains(run.Error, "registry") {
			t.Errorf("the run says %q", run.Error)
		}
		s.answers(t)
	})
	t.Run("a CA that refuses", func(t *testing.T) {
		refused := strings.TrimPrefix("registry.refused.test", "registry.")
		s.ca.Resolve("registry."+refused, "127.0.0.1")
		s.set("HOST", refused)
		within()
		// The rehearsal is with another CA, which has nothing against the name.
		s.edit("pipeline.yaml", "  - {check: acme_rehearsal", "  - {check: acme_rehearsal, severity: warn")
		began := time.Now()
		run := s.push("another domain")
		s.restore(good)
		producttest.MustEnd(t, run, state.RunRolledBack)
		step := stepOf(run, "tls registry."+refused)
		for _, part := range []string{"default certificate", "rejectedIdentifier"} {
			if !strings.Contains(step.Message+step.Hint, part) {
				t.Errorf("tls says %s (hint %q), want %q", step.Message, step.Hint, part)
			}
		}
		t.Logf("from the push until the last good release was verified again: %s", time.Since(began).Round(100*time.Millisecond))
		s.answers(t)
	})
	t.Run("the CA's limits", func(t *testing.T) {
		// The limit of certificates of a registered domain is 50 in a week; here it
		// is the one that the stack has.
		s.edit("pipeline.yaml", "{check: acme_budget}", fmt.Sprintf("{check: acme_budget, ca: %q, per_domain: 1}", fmt.Sprint("pebble:", s.ca.Port)))
		s.ca.Resolve("registry.second.acme-widgets.fr", "127.0.0.1")
		s.set("HOST", "second.acme-widgets.fr")
		run := s.push("one certificate too many")
		s.restore(good)
		producttest.MustEnd(t, run, state.RunFailed)
		if step := stepOf(run, "acme_budget"); step.Status != state.StepFailed || !strings.Contains(step.Message, "1 of 1 certificates under acme-widgets.fr") {
			t.Errorf("acme_budget %s: %s (hint %q)", step.Status, step.Message, step.Hint)
		}
		s.answers(t)
	})
}

// answers wants the registry to be reached over HTTPS and to want a login.
func (s *registryStack) answers(t *testing.T) {
	t.Helper()
	if now := s.Now(); now.Health != "healthy" || now.LastGood == nil || now.Live.ID != now.LastGood.ID {
		t.Errorf("the stack is %s", now.Health)
	}
	if status, _, err := s.ask(); err != nil || status != 401 {
		t.Errorf("the registry answers %d, %v", status, err)
	}
}
