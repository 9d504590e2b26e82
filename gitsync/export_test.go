package gitsync

// Limits that are too large for a test to reach.

func SetMaxPacks(m *Mirror, n int)  { m.limits.packs = n }
func SetDeepen(m *Mirror, n int)    { m.limits.deepen = n }
func SetMaxFile(m *Mirror, n int64) { m.limits.file = n }
