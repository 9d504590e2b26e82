package compose

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/compose/v5/pkg/api"

	"deployer/project"
)

// BenchmarkApply compares an apply of two services that have health checks
// with Compose's own up and wait, on the same Engine.
func BenchmarkApply(b *testing.B) {
	ways := map[string]func(*rig, *project.Project) error{
		"deployer": func(r *rig, p *project.Project) error {
			return r.Apply(b.Context(), p, project.ApplyOptions{Wait: time.Minute})
		},
		"compose": composeUp,
	}
	release := func(n int) string { return strings.Replace(two, `"1"`, strconv.Quote(strconv.Itoa(n)), 1) }
	for _, way := range []string{"deployer", "compose"} {
		apply := ways[way]
		b.Run("fresh/"+way, func(b *testing.B) {
			r := newSerialRig(b)
			for b.Loop() {
				if err := apply(r, r.resolve(release(0))); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := r.Down(b.Context(), r.name); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
		b.Run("one-changed/"+way, func(b *testing.B) {
			r := newSerialRig(b)
			n := 0
			for ; b.Loop(); n++ {
				if err := apply(r, r.resolve(release(n))); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("unchanged/"+way, func(b *testing.B) {
			r := newSerialRig(b)
			r.mustApply(r.resolve(two))
			for b.Loop() {
				if err := apply(r, r.resolve(two)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func composeUp(r *rig, p *project.Project) error {
	want, err := wanted(p)
	if err != nil {
		return err
	}
	library, err := r.library(&progress{log: newLines(nil)})
	if err != nil {
		return err
	}
	return library.Up(r.t.Context(), want, api.UpOptions{
		Create: api.CreateOptions{Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged, RemoveOrphans: true, Inherit: true, QuietPull: true},
		Start:  api.StartOptions{Project: want, Wait: true, WaitTimeout: time.Minute},
	})
}
