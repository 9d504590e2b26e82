package project

import (
	"maps"
	"strings"
	"testing"
)

func TestFingerprintIsStable(t *testing.T) {
	src := kept(t)
	want := mustLoad(t, src).Fingerprint(digest)
	if len(want) != 32 {
		t.Errorf("fingerprint %q", want)
	}
	for range 30 { // maps are walked in another order each time
		if got := mustLoad(t, src).Fingerprint(digest); got != want {
			t.Fatalf("fingerprint %s, then %s", want, got)
		}
	}
}

func TestFingerprintFollowsWhatIsDeployed(t *testing.T) {
	base := map[string]string{
		"compose.yaml": compose(`volumes: ["./a:/a:ro", "./d:/d:ro", "./data:/data"]`, "environment: [A]"),
		"a":            "1", "d/x/y": "1", "data/.gitkeep": "", "README": "1",
	}
	load := func(change func(files map[string]string), vars ...string) *Project {
		files := maps.Clone(base)
		change(files)
		return mustLoad(t, source(files, append([]string{"A=1"}, vars...)...))
	}
	same := func(map[string]string) {}
	reference := load(same).Fingerprint(digest, []byte("pipeline"))
	for name, test := range map[string]struct {
		project *Project
		extra   string
		differs bool
	}{
		"nothing":            {load(same), "pipeline", false},
		"a file not read":    {load(func(f map[string]string) { f["README"] = "2" }), "pipeline", false},
		"a comment":          {load(func(f map[string]string) { f["compose.yaml"] += "# note\n" }), "pipeline", false},
		"an extension":       {load(func(f map[string]string) { f["compose.yaml"] += "x-note: a\n" }), "pipeline", false},
		"a placeholder":      {load(func(f map[string]string) { f["data/.gitkeep"] = " " }), "pipeline", false},
		"mounted file":       {load(func(f map[string]string) { f["a"] = "2" }), "pipeline", true},
		"in mounted folder":  {load(func(f map[string]string) { f["d/x/y"] = "2" }), "pipeline", true},
		"image":              {load(func(f map[string]string) { f["compose.yaml"] = strings.Replace(f["compose.yaml"], "1.27", "1.28", 1) }), "pipeline", true},
		"value":              {load(same, "A=2"), "pipeline", true},
		"unused value":       {load(same, "B=2"), "pipeline", true},
		"secret from now on": {load(same, "A!=1"), "pipeline", true},
		"pipeline.yaml":      {load(same), "other", true},
		"never rolled back": {load(func(f map[string]string) {
			f["compose.yaml"] = strings.Replace(f["compose.yaml"], "image:", "x-deployer: {rollback: never}\n    image:", 1)
		}), "pipeline", true},
	} {
		if got := test.project.Fingerprint(digest, []byte(test.extra)); (got != reference) != test.differs {
			t.Errorf("%s: differs %v, want %v", name, got != reference, test.differs)
		}
	}
	pinned := load(same)
	pinned.PinImages(map[string]Image{"web": {ID: "sha256:1"}})
	other := load(same)
	other.PinImages(map[string]Image{"web": {ID: "sha256:2"}})
	if pinned.Fingerprint(digest) == other.Fingerprint(digest) {
		t.Error("another image behind the tag, the same fingerprint")
	}
}
