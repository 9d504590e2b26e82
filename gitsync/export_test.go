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

// SubmoduleRemote is how a submodule with this url would be fetched.
func SubmoduleRemote(r Remote, url string) (Remote, error) {
	own, err := parseAddress(r.URL)
	if err != nil {
		return Remote{}, err
	}
	to, err := own.resolve(url)
	if err != nil {
		return Remote{}, err
	}
	return r.submodule(to)
}
