package state

// A Receipt is what became of a delivery.
type Receipt struct {
	Runs    []*Run // queued, and safely on disk
	Pending bool   // its branch is looked at next: that queues what it concerns
	Reviews []*Run // of kind review, likewise
	Ignored string // where nothing was queued: why, a short sentence
}

// A Refusal is why what a person asked for cannot be done now. It is an
// answer, not a fault.
type Refusal struct {
	Reason string
	Hint   string // what to do instead
}

func (r *Refusal) Error() string { return r.Reason }
