package compose

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/compose/v5/pkg/api"

	"deployer/project"
)

const (
	independent = `
services:
  web:
    image: IMAGE
    environment: {VERSION: "1"}
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 20}
  api:
    image: IMAGE
    environment: {VERSION: "1"}
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 20}
`
	dependent = independent + `    depends_on: {web: {condition: service_healthy}}
`
)

// BenchmarkApply applies two services that have health checks with an
// interval of a second. Its floor is Compose's own up and wait, in turns on
// the same Engine.
func BenchmarkApply(b *testing.B) {
	for _, scene := range []struct {
		name, text string
		changed    int // services whose configuration is another each time
		fresh      bool
	}{
		{name: "one-changed", text: independent, changed: 1},
		{name: "both-changed", text: independent, changed: 2},
		{name: "both-changed-dependent", text: dependent, changed: 2},
		{name: "fresh", text: independent, fresh: true},
		{name: "fresh-dependent", text: dependent, fresh: true},
		{name: "unchanged", text: independent},
	} {
		b.Run(scene.name, func(b *testing.B) {
			ours, floor := newSerialRig(b), newSerialRig(b)
			release := func(r *rig, n int) *project.Project {
				return r.resolve(strings.Replace(scene.text, `"1"`, strconv.Quote(strconv.Itoa(n)), scene.changed))
			}
			if !scene.fresh {
				applyOnce(b, ours, release(ours, 0))
				composeUp(b, floor, release(floor, 0))
			}
			var took, least []time.Duration
			for n := 1; b.Loop(); n++ {
				p, q := release(ours, n), release(floor, n)
				took = append(took, timed(func() { applyOnce(b, ours, p) }))
				least = append(least, timed(func() { composeUp(b, floor, q) }))
				if scene.fresh {
					down(b, ours)
					down(b, floor)
				}
			}
			report(b, took, least)
		})
	}
}

func applyOnce(b *testing.B, r *rig, p *project.Project) {
	if err := r.Apply(b.Context(), p, project.ApplyOptions{Wait: time.Minute}); err != nil {
		b.Fatal(err)
	}
}

func composeUp(b *testing.B, r *rig, p *project.Project) {
	want, err := wanted(p)
	if err != nil {
		b.Fatal(err)
	}
	library, err := r.library(&progress{log: newLines(nil)})
	if err != nil {
		b.Fatal(err)
	}
	err = library.Up(b.Context(), want, api.UpOptions{
		Create: api.CreateOptions{Recreate: api.RecreateDiverged, RecreateDependencies: api.RecreateDiverged, RemoveOrphans: true, Inherit: true, QuietPull: true},
		Start:  api.StartOptions{Project: want, Wait: true, WaitTimeout: time.Minute},
	})
	if err != nil {
		b.Fatal(err)
	}
}

func down(b *testing.B, r *rig) {
	if err := r.Down(b.Context(), r.name); err != nil {
		b.Fatal(err)
	}
}

func timed(work func()) time.Duration {
	started := time.Now()
	work()
	return time.Since(started)
}

// report gives the median of the ratios of the pairs, and the medians of both.
func report(b *testing.B, ours, floor []time.Duration) {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = float64(ours[i]) / float64(floor[i])
	}
	middle := len(ours) / 2
	slices.Sort(ratios)
	slices.Sort(ours)
	slices.Sort(floor)
	b.ReportMetric(ratios[middle], "×floor")
	b.ReportMetric(float64(ours[middle].Microseconds())/1000, "ms/ours")
	b.ReportMetric(float64(floor[middle].Microseconds())/1000, "ms/floor")
	b.ReportMetric(0, "ns/op")
}
