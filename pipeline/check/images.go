package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// imagesCheck looks at the images that were resolved for the services: that
// they are for this Engine, and how firmly the compose file names them.
type imagesCheck struct {
	Pinned bool   `check:"pinned"` // each is named by its digest
	Allow  []text `check:"allow"`  // services whose image may be named loosely
}

func newImages() Check { return &imagesCheck{} }

func (c *imagesCheck) Run(ctx context.Context, w *World) Result {
	if w.Project == nil || w.Project.Compose == nil || w.Engine == nil {
		return skipped("there is no Engine or no project to look at")
	}
	info, err := w.Engine.Info(ctx)
	if err != nil {
		return failed("the Engine does not answer: "+reason(err), "see that Docker runs on the target")
	}
	here := info.OS + "/" + info.Arch
	var r report
	pinned, count := 0, 0
	for _, service := range w.Project.Compose.ServiceNames() {
		s := w.Project.Compose.Services[service]
		image, known := w.Project.Images[service]
		if s.Provider != nil {
			continue // something outside of the Engine provides it
		}
		count++
		ref := imageOf(w.Project, service)
		switch {
		case !known || image.ID == "":
			r.fail(fmt.Sprintf("%s: the image %s is not on the Engine", service, ref), "push it to its registry, or correct its name")
		case image.Platform == "":
			r.warn(fmt.Sprintf("%s: not proven that %s is for %s", service, ref, here), "see docker image inspect for its architecture")
		case !runsOn(image.Platform, here) && s.Platform != "":
			r.warn(fmt.Sprintf("%s: %s is for %s and runs on %s by emulation only", service, ref, image.Platform, here), "publish the image for "+here)
		case !runsOn(image.Platform, here):
			r.fail(fmt.Sprintf("%s: %s is for %s, and this Engine is %s", service, ref, image.Platform, here), "publish the image for "+here+", or name one that is")
		}
		if strings.Contains(ref, "@sha256:") || strings.HasPrefix(ref, "sha256:") {
			pinned++
		} else if !slices.ContainsFunc(c.Allow, func(t text) bool { return t.plain == service }) {
			c.loose(&r, service, ref)
		}
	}
	return r.result(fmt.Sprintf("%s for %s, %d of them named by digest", plural(count, "image"), here, pinned))
}

// loose points out a name that may mean another image tomorrow.
func (c *imagesCheck) loose(r *report, service, ref string) {
	_, tag := nameAndTag(ref)
	switch {
	case c.Pinned:
		r.fail(fmt.Sprintf("%s: %s is not named by its digest", service, ref), "write name:tag@sha256:…; docker image inspect has it under RepoDigests")
	case tag == "" || tag == "latest":
		r.warn(fmt.Sprintf("%s: %s may be another image with the next pull", service, ref), "name a version, best with its digest")
	}
}

// runsOn compares linux/arm64/v8 with linux/arm64. A 64-bit Engine of x86 or
// ARM runs what is for 32 bits.
func runsOn(image, engine string) bool {
	system, arch, _ := strings.Cut(image, "/")
	arch, _, _ = strings.Cut(arch, "/")
	own, machine, _ := strings.Cut(engine, "/")
	return system == own && (arch == machine || arch == "386" && machine == "amd64" || arch == "arm" && machine == "arm64")
}
