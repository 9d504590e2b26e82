package config

import "time"

// A Retention bounds what is kept of each stack and kind of run. The live, the
// good and the quarantined releases stay, whatever their age.
type Retention struct {
	Runs int           `yaml:"runs"`
	Age  time.Duration `yaml:"age"`
	Log  Size          `yaml:"log"` // of one run
}

var defaultRetention = Retention{Runs: 500, Age: 365 * day, Log: 16 << 20}

// minLog leaves room for the evidence of one failure.
const minLog Size = 64 << 10

func (r Retention) validate(doc *document, path string) {
	if r.Runs < 1 {
		doc.fail(join(path, "runs"), "keep at least the last one", "%d runs cannot be kept", r.Runs)
	}
	if r.Age < day {
		doc.fail(join(path, "age"), "write 1d or more", "%v is too short to look back", r.Age)
	}
	if r.Log < minLog {
		doc.fail(join(path, "log"), "write 64KiB or more", "%d bytes are too few for a log", r.Log)
	}
}
