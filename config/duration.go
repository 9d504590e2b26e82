package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

var errDuration = errors.New("not a duration")

// parseDuration reads what time.ParseDuration reads, and whole days: 365d.
func parseDuration(s string) (time.Duration, error) {
	if digits, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 0 || n > math.MaxInt64/int(day) {
			return 0, errDuration
		}
		return time.Duration(n) * day, nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return 0, errDuration
	}
	return v, nil
}

func (d *document) duration(s, path string, into *time.Duration) {
	v, err := parseDuration(s)
	if err != nil {
		hint := "write a number and its unit: 90s, 5m, 12h, 365d"
		if _, err := strconv.Atoi(s); err == nil {
			hint = fmt.Sprintf("the unit is missing: %ss, %sm, %sh or %sd", s, s, s, s)
		}
		d.fail(path, hint, "%q is not a duration", s)
		return
	}
	*into = v
}
