package state

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

var (
	bucketMeta       = []byte("meta")
	bucketRuns       = []byte("runs")          // run id → Run
	bucketByStack    = []byte("runs_by_stack") // stack 0x00 run id
	bucketActive     = []byte("runs_active")   // run id, of runs that are not over
	bucketStacks     = []byte("stacks")        // name → Stack
	bucketReleases   = []byte("releases")      // stack 0x00 fingerprint → Release
	bucketSealed     = []byte("sealed")        // stack 0x00 fingerprint → encrypted recipe
	bucketLive       = []byte("live")          // stack 0x00 time → Release, when it became live
	bucketLogs       = []byte("logs")          // run id 0x00 offset → compressed text
	bucketDeliveries = []byte("deliveries")    // repository 0x00 delivery → Delivery
	bucketAudit      = []byte("audit")         // sequence → AuditEntry

	keySchema = []byte("schema")
)

// migrations take the database from one schema version to the next; the
// version is their number. An entry is never changed once it was released.
var migrations = []func(*bolt.Tx) error{
	func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketRuns, bucketByStack, bucketActive, bucketStacks, bucketReleases,
			bucketSealed, bucketLive, bucketLogs, bucketDeliveries, bucketAudit} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	},
}

// migrate brings the schema up to date in one transaction: a process that dies
// here leaves the old schema whole.
func migrate(db *bolt.DB) error {
	return db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		var version uint64
		if raw := meta.Get(keySchema); len(raw) == 8 {
			version = binary.BigEndian.Uint64(raw)
		}
		if version > uint64(len(migrations)) {
			return fmt.Errorf("the database has schema version %d, this deployer knows %d: run the newer deployer, or restore the backup made before the upgrade", version, len(migrations))
		}
		for ; version < uint64(len(migrations)); version++ {
			if err := migrations[version](tx); err != nil {
				return fmt.Errorf("migrate the schema from version %d: %w", version, err)
			}
		}
		return meta.Put(keySchema, binary.BigEndian.AppendUint64(nil, version))
	})
}
