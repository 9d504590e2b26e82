package gitsync

import (
	"io"
	"math"
)

// Limits that are too large for a test to reach.

func SetMaxPacks(m *Mirror, n int)    { m.limits.packs = n }
func SetDeepen(m *Mirror, n int)      { m.limits.deepen = n }
func SetMaxFile(m *Mirror, n int64)   { m.limits.file = n }
func SetSpareRoom(m *Mirror, n int64) { m.limits.spare = n }

// ReceivePack indexes a pack and gives it its name.
func ReceivePack(dir string, r io.Reader) error {
	in, err := receivePack(dir, r, math.MaxInt64-1)
	if err != nil {
		return err
	}
	return in.install()
}
