package config

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A Size is a number of bytes.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"B", 1},
}

var errSize = errors.New("not a size")

func parseSize(s string) (Size, error) {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.bytes {
			return 0, errSize
		}
		return Size(n * unit.bytes), nil
	}
	return 0, errSize
}

func (s *Size) decodeNode(d *document, n ast.Node, path string) {
	text, ok := d.scalar(n, path)
	if !ok {
		return
	}
	size, err := parseSize(text)
	if err != nil {
		d.fail(path, "write a number and its unit: 512KiB, 16MiB, 1GiB", "%q is not a size", text)
		return
	}
	*s = size
}
