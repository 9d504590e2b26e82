package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
	bolt "go.etcd.io/bbolt"
)

// logChunk is the size, uncompressed, of the pieces that a finished log is
// kept in, and the most that one piece holds.
const logChunk = 64 << 10

var (
	encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(4<<20))
)

// putLog stores text in pieces that the decoder's memory is enough for.
func (t *Tx) putLog(run string, offset int64, text []byte) error {
	for piece := range slices.Chunk(text, logChunk) {
		if err := t.put(bucketLogs, logKey(run, offset), encoder.EncodeAll(piece, nil)); err != nil {
			return err
		}
		offset += int64(len(piece))
	}
	return nil
}

// ReadLog returns a run's log from an offset in bytes on, at most about limit bytes.
func (s *Store) ReadLog(run string, offset int64, limit int) ([]byte, error) {
	var out bytes.Buffer
	err := s.db.View(func(tx *bolt.Tx) error {
		return eachChunk(tx, run, offset, func(at int64, text []byte) (more bool) {
			if skip := offset - at; skip > 0 {
				text = text[min(skip, int64(len(text))):]
			}
			out.Write(text)
			return out.Len() < limit
		})
	})
	return out.Bytes(), err
}

// LogSize returns the length of a run's log in bytes.
func (s *Store) LogSize(run string) (size int64, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketLogs).Cursor()
		k := seekLast(c, append([]byte(run), 0), "")
		if !bytes.HasPrefix(k, append([]byte(run), 0)) {
			return nil
		}
		_, v := c.Seek(k)
		text, err := decoder.DecodeAll(v, nil)
		size = logOffset(k) + int64(len(text))
		return err
	})
	return size, err
}

// eachChunk calls fn with the chunk that holds offset and all after it.
func eachChunk(tx *bolt.Tx, run string, offset int64, fn func(at int64, text []byte) bool) error {
	prefix := append([]byte(run), 0)
	c := tx.Bucket(bucketLogs).Cursor()
	k, v := c.Seek(logKey(run, offset))
	if k == nil || !bytes.Equal(k, logKey(run, offset)) {
		if pk, pv := stepBack(c, k); bytes.HasPrefix(pk, prefix) {
			k, v = pk, pv
		} else {
			k, v = c.Seek(prefix)
		}
	}
	for ; k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		text, err := decoder.DecodeAll(v, nil)
		if err != nil {
			return fmt.Errorf("read the log of run %s: %w", run, err)
		}
		if !fn(logOffset(k), text) {
			return nil
		}
	}
	return nil
}

func stepBack(c *bolt.Cursor, from []byte) (k, v []byte) {
	if from == nil {
		return c.Last()
	}
	return c.Prev()
}

func logKey(run string, offset int64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(run), 0), uint64(offset))
}

func logOffset(k []byte) int64 { return int64(binary.BigEndian.Uint64(k[len(k)-8:])) }
