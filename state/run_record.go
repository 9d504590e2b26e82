package state

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// runDictionary is what runs look like, so that what is kept of one is little
// more than what no other has. Records name it by its number: the file is
// never changed, a better one gets the next number and stands beside it.
//
//go:embed run-1.dict
var runDictionary []byte

const (
	runDictionaryID = 1
	// smallRun is the size in bytes from which on a run is compressed. Below
	// it are those that never began, and a flood of pushes makes many of them.
	smallRun = 1 << 10
	largeRun = 64 << 20 // more than any run has
)

var (
	runEncoder, _ = zstd.NewWriter(nil, zstd.WithEncoderDictRaw(runDictionaryID, runDictionary),
		zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10))
	runDecoder, _ = zstd.NewReader(nil, zstd.WithDecoderDictRaw(runDictionaryID, runDictionary),
		zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(largeRun))
)

// packRun makes of a run's JSON what is stored of it. A run that goes on is
// written often and stays as it is.
func packRun(text []byte, status RunStatus) []byte {
	if !status.Terminal() || len(text) < smallRun {
		return text
	}
	return runEncoder.EncodeAll(text, nil)
}

// unpackRun returns the JSON of a record. An object begins with a brace, and
// nothing that is compressed does.
func unpackRun(raw []byte) ([]byte, error) {
	if len(raw) > 0 && raw[0] == '{' {
		return raw, nil
	}
	return runDecoder.DecodeAll(raw, nil)
}

// decodeRun reads what is stored of a run into v: a *Run, or a part of one.
func decodeRun(id, raw []byte, v any) error {
	text, err := unpackRun(raw)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("read run %s from the database: %w", id, err)
	}
	return nil
}
