package check

import (
	"context"
	"fmt"
)

// engineCheck asks whether the Engine answers and has room for images.
type engineCheck struct {
	MinFree size `check:"min_free"`
}

func newEngine() Check { return &engineCheck{MinFree: 1 << 30} }

func (c *engineCheck) Run(ctx context.Context, w *World) Result {
	if w.Engine == nil {
		return skipped("no Engine is reached from here")
	}
	info, err := w.Engine.Info(ctx)
	if err != nil {
		return failed("the Engine does not answer: "+reason(err),
			"see that Docker runs on the target, and that deployer may use its socket")
	}
	about := fmt.Sprintf("Docker Engine %s (API %s) on %s/%s", info.Version, info.APIVersion, info.OS, info.Arch)
	switch free := size(info.FreeBytes); {
	case free < 0:
		return warned(fmt.Sprintf("%s; the free space of %s is not visible from here", about, info.RootDir),
			fmt.Sprintf("see on the target that %s has at least %s free", info.RootDir, c.MinFree))
	case free < c.MinFree:
		return failed(fmt.Sprintf("%s; %s has %s free, want %s", about, info.RootDir, free, c.MinFree),
			"make room: docker system df shows what takes it, docker image prune removes unused images")
	default:
		return passed(fmt.Sprintf("%s, %s free in %s", about, free, info.RootDir))
	}
}
