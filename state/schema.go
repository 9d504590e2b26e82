package state

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	bolt "go.etcd.io/bbolt"
)

var (
	bucketMeta       = []byte("meta")
	bucketRuns       = []byte("runs")           // run id → Run, compressed where it is over
	bucketByStack    = []byte("runs_by_stack")  // stack 0x00 kind 0x00 status 0x00 run id
	bucketByCommit   = []byte("runs_by_commit") // start of the commit 0x00 run id
	bucketByActor    = []byte("runs_by_actor")  // actor 0x00 run id
	bucketUnsorted   = []byte("runs_unsorted")  // run id → start of the commit 0x00 actor, until it is in the two before
	bucketActive     = []byte("runs_active")    // run id, of runs that are not over
	bucketStacks     = []byte("stacks")         // name → Stack
	bucketReleases   = []byte("releases")       // stack 0x00 fingerprint → Release
	bucketSealed     = []byte("sealed")         // stack 0x00 fingerprint → encrypted recipe
	bucketLive       = []byte("live")           // stack 0x00 time → Release, when it became live
	bucketLogs       = []byte("logs")           // run id 0x00 offset → compressed text
	bucketTaken      = []byte("taken")          // sequence, digest of a delivery → Delivery
	bucketDeliveries = []byte("deliveries")     // repository 0x00 delivery → Delivery, up to schema 4
	bucketAudit      = []byte("audit")          // sequence → AuditEntry
	bucketNotices    = []byte("notices")        // sequence → Notice
	bucketTold       = []byte("told")           // sink → sequence of the last notice that it told
	bucketBackups    = []byte("backups")        // backup id → Backup
	bucketHolds      = []byte("holds")          // stack → Hold
	bucketIssuances  = []byte("issuances")      // time 0x00 kind 0x00 names 0x00 nth → Issuance
	bucketTemplates  = []byte("templates")      // name → Template
	bucketShown      = []byte("shown")          // repository 0x00 pull request → Shown

	keySchema = []byte("schema")
)

// kept are the buckets whose content nothing else gives; derived are made of
// the runs.
var (
	kept    = [][]byte{bucketStacks, bucketReleases, bucketSealed, bucketLive, bucketLogs, bucketTaken, bucketAudit, bucketNotices, bucketTold, bucketBackups, bucketHolds, bucketIssuances, bucketTemplates, bucketShown}
	derived = [][]byte{bucketRuns, bucketByStack, bucketByCommit, bucketByActor, bucketUnsorted, bucketActive}
)

// The versions of the schema. Version 1 had all runs as plain JSON, and an
// index by stack alone; version 2 had no backups and holds; version 3 knew no
// stack that was renamed; version 4 had deliveries by their ids; version 5 had all runs
// sorted by commit and actor.
const (
	schemaVersion  = 6
	schemaInPlace  = 2              // the first version that is taken up where it lies
	schemaReplaced = math.MaxUint64 // of a file in whose place another was put
)

// appended is the share of a page that is filled where keys come in order.
const appended = 0.9

// makeSchema makes the buckets of an empty database.
func makeSchema(tx *bolt.Tx) error {
	if err := makeBuckets(tx); err != nil {
		return err
	}
	return putVersion(tx, schemaVersion)
}

// makeBuckets makes those that are missing.
func makeBuckets(tx *bolt.Tx) error {
	for _, name := range slices.Concat(kept, derived) {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

func putVersion(tx *bolt.Tx, version uint64) error {
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil {
		return err
	}
	return meta.Put(keySchema, binary.BigEndian.AppendUint64(nil, version))
}

// versionOf returns the version of a database, and whether there is nothing in it.
func versionOf(db *bolt.DB) (version uint64, empty bool, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		first, _ := tx.Cursor().First()
		empty = first == nil
		if meta := tx.Bucket(bucketMeta); meta != nil {
			if raw := meta.Get(keySchema); len(raw) == 8 {
				version = binary.BigEndian.Uint64(raw)
			}
		}
		return nil
	})
	return version, empty, err
}

// migrate takes a database up to the present schema and returns the one to go
// on with.
func migrate(db *bolt.DB) (*bolt.DB, error) {
	version, empty, err := versionOf(db)
	switch {
	case err != nil:
		return db, err
	case empty:
		return db, db.Update(makeSchema)
	case version == schemaReplaced:
		return db, fmt.Errorf("another deployer has just put a new database in the place of this one: %w", ErrLocked)
	case version > schemaVersion:
		return db, fmt.Errorf("the database has schema version %d, this deployer knows %d: run the newer deployer, or restore the backup made before the upgrade", version, schemaVersion)
	case version < schemaInPlace || wasteful(db):
		return rewrite(db)
	case version < schemaVersion:
		if err := db.Update(makeSchema); err != nil {
			return db, err
		}
	}
	return db, takeOverDeliveries(db)
}
