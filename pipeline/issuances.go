package pipeline

import (
	"context"
	"time"

	"deployer/pipeline/check"
	"deployer/state"
)

// issuances keeps what checks see of certificates that were asked for.
type issuances struct {
	store *state.Store
	now   func() time.Time
}

func (i issuances) Note(seen []state.Issuance) error {
	return i.store.Update(func(tx *state.Tx) error { return tx.NoteIssuances(seen, i.now()) })
}

func (i issuances) Since(t time.Time) (out []state.Issuance, err error) {
	err = i.store.View(func(tx *state.Tx) error {
		out, err = tx.Issuances(t)
		return err
	})
	return out, err
}

// witnessTime bounds what is nobody's business to wait for.
const witnessTime = 5 * time.Second

// witness keeps what a proxy tells of its certificates, before its container
// is made anew and when a release was verified. That it could not is no
// reason to fail a run.
func (x *Execution) witness(ctx context.Context, w *check.World) {
	ctx, done := context.WithTimeout(ctx, witnessTime)
	defer done()
	if err := check.Witness(ctx, w); err != nil {
		x.Logf("what the proxy tells of its certificates could not be kept: %v", err)
	}
}
