package compose

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types"
)

// VolumeUse returns the bytes that a volume holds. The Engine walks all of its
// volumes for that, and before API 1.42 looks at images and containers too.
func (t *Target) VolumeUse(ctx context.Context, volume string) (int64, error) {
	usage, err := t.engine.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	if err != nil {
		return 0, t.reached(fmt.Errorf("measure volume %s: %w", volume, err))
	}
	for _, v := range usage.Volumes {
		if v.Name == volume && v.UsageData != nil && v.UsageData.Size >= 0 {
			return v.UsageData.Size, nil
		}
	}
	return 0, fmt.Errorf("volume %s does not exist, or its driver does not tell its size", volume)
}
