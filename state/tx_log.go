package state

import "bytes"

// AppendLog adds text to a run's log at the offset in bytes where the text
// before it ends.
func (t *Tx) AppendLog(run string, offset int64, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	t.touched = append(t.touched, run)
	return t.putLog(run, offset, text)
}

// CompactLog rewrites the log of a run that is over from the small pieces in
// which it arrived into large ones, which compress better.
func (t *Tx) CompactLog(run string) error {
	var all bytes.Buffer
	if err := eachChunk(t.tx, run, 0, func(_ int64, text []byte) bool {
		all.Write(text)
		return true
	}); err != nil {
		return err
	}
	if err := t.deletePrefix(bucketLogs, append([]byte(run), 0)); err != nil {
		return err
	}
	return t.putLog(run, 0, all.Bytes())
}
