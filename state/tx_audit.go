package state

import (
	"encoding/binary"
	"encoding/json"
)

// PutAudit appends to the audit trail.
func (t *Tx) PutAudit(e *AuditEntry) error {
	seq, err := t.tx.Bucket(bucketAudit).NextSequence()
	if err != nil {
		return err
	}
	return t.putJSON(bucketAudit, binary.BigEndian.AppendUint64(nil, seq), e)
}

// Audit returns the newest entries first, at most limit of them.
func (t *Tx) Audit(limit int) ([]*AuditEntry, error) {
	out := []*AuditEntry{}
	c := t.tx.Bucket(bucketAudit).Cursor()
	for k, v := c.Last(); k != nil && len(out) < limit; k, v = c.Prev() {
		e := new(AuditEntry)
		if err := json.Unmarshal(v, e); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}
