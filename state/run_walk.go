package state

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// justAbove makes of an id a bound that the id itself is below of, and no
// younger one: it sorts behind every character of an id.
const justAbove = "~"

// A source yields the ids that stand below some prefixes of one index, and
// those of a list.
type source struct {
	cursor   *bolt.Cursor
	prefixes [][]byte
	newest   []string // by prefix: the newest id that was not passed yet, empty where there is none
	filled   bool
	listed   []string // that were not passed yet, oldest first
}

func newSource(c *bolt.Cursor, prefixes [][]byte) source {
	return source{cursor: c, prefixes: prefixes, newest: make([]string, len(prefixes))}
}

// below returns the newest id that is smaller than bound, empty where there is
// none; an empty bound is above all. Bounds must not grow from call to call.
func (s *source) below(bound string) (newest string) {
	for i, prefix := range s.prefixes {
		if !s.filled || (s.newest[i] != "" && s.newest[i] >= bound) {
			s.newest[i] = ""
			if k := seekLast(s.cursor, prefix, bound); bytes.HasPrefix(k, prefix) {
				s.newest[i] = string(k[len(prefix):])
			}
		}
		newest = max(newest, s.newest[i])
	}
	s.filled = true
	for len(s.listed) > 0 && bound != "" && s.listed[len(s.listed)-1] >= bound {
		s.listed = s.listed[:len(s.listed)-1]
	}
	if n := len(s.listed); n > 0 {
		newest = max(newest, s.listed[n-1])
	}
	return newest
}

// A walk goes over the ids that all its sources have, from the newest on.
type walk struct {
	sources []source
	bound   string // what is not below it was looked at
	steps   int
}

// next returns the next id, and whether there can be one. An empty id where
// there can be one means that the walk is too long: bound says how far it got.
func (w *walk) next() (id string, more bool) {
	for ; w.steps < maxSteps; w.steps++ {
		id, common := w.sources[0].below(w.bound), true
		for i := 1; i < len(w.sources) && id != ""; i++ {
			if older := w.sources[i].below(id + justAbove); older != id {
				id, common = older, false
			}
		}
		if id == "" {
			return "", false
		}
		if common {
			w.steps++
			w.bound = id
			return id, true
		}
		w.bound = id + justAbove
	}
	return "", true
}

// seekLast puts c on the last key under prefix that is smaller than prefix+before.
func seekLast(c *bolt.Cursor, prefix []byte, before string) []byte {
	bound := append(bytes.Clone(prefix), before...)
	if before == "" {
		bound = append(bound, 0xff)
	}
	k, _ := c.Seek(bound)
	if k == nil {
		k, _ = c.Last()
		return k
	}
	k, _ = c.Prev()
	return k
}
