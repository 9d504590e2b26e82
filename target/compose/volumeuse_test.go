package compose

import (
	"strings"
	"testing"
)

func TestVolumeUse(t *testing.T) {
	r := newRig(t)
	content := strings.Repeat("x", 50_000)
	r.mustApply(r.resolve(`
services: {web: {image: IMAGE, environment: {WRITE_FILE: /data/file, VERSION: ` + content + `}, volumes: ["data:/data"]}}
volumes: {data: {}}
`))
	if bytes, err := r.VolumeUse(t.Context(), r.name+"_data"); err != nil || bytes < 50_000 || bytes > 100_000 {
		t.Errorf("the volume holds %d bytes, %v", bytes, err)
	}
	if _, err := r.VolumeUse(t.Context(), r.name+"_gone"); err == nil {
		t.Error("a volume that does not exist has a size")
	}
}
