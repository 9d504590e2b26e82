package state_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"deployer/state"
)

const everything = 1 << 30

func appendAll(t testing.TB, s *state.Store, run string, pieces ...string) string {
	t.Helper()
	all := ""
	for _, p := range pieces {
		must(t, appendLog(s, run, int64(len(all)), []byte(p)))
		all += p
	}
	return all
}

func readLog(t testing.TB, s *state.Store, run string, offset int64, limit int) string {
	t.Helper()
	text, err := s.ReadLog(run, offset, limit)
	must(t, err)
	return string(text)
}

func logSize(t testing.TB, s *state.Store, run string) int64 {
	t.Helper()
	size, err := s.LogSize(run)
	must(t, err)
	return size
}

func TestLogIsReadFromEveryOffset(t *testing.T) {
	s := openStore(t)
	run, before, after := "run-5", "run-4", "run-6" // neighbours in the database
	appendAll(t, s, before, "of the run before\n")
	appendAll(t, s, after, "of the run after\n")
	all := appendAll(t, s, run, "a", "bc", "", "defg\n", "häl", "t\n")
	for range 2 {
		if got := logSize(t, s, run); got != int64(len(all)) {
			t.Errorf("the size is %d, want %d", got, len(all))
		}
		for offset := range len(all) {
			if got := readLog(t, s, run, int64(offset), everything); got != all[offset:] {
				t.Errorf("from %d: %q, want %q", offset, got, all[offset:])
			}
		}
		for _, beyond := range []int{len(all), len(all) + 1, len(all) + 1000} {
			if got := readLog(t, s, run, int64(beyond), everything); got != "" {
				t.Errorf("from %d, beyond the end: %q", beyond, got)
			}
		}
		must(t, compactLog(s, run))
	}
}

func TestLogOfARunWithoutOneIsEmpty(t *testing.T) {
	s := openStore(t)
	for range 2 { // alone in the database, then with neighbours on both sides
		if size := logSize(t, s, "run-5"); size != 0 {
			t.Errorf("the size is %d", size)
		}
		if got := readLog(t, s, "run-5", 0, everything); got != "" {
			t.Errorf("the log reads %q", got)
		}
		must(t, compactLog(s, "run-5"))
		appendAll(t, s, "run-4", "before\n")
		appendAll(t, s, "run-50", "of a run whose id begins alike\n")
		appendAll(t, s, "run-6", "after\n")
	}
}

func TestLogReadStopsSoonAfterItsLimit(t *testing.T) {
	s := openStore(t)
	piece := strings.Repeat("x", 1000)
	all := appendAll(t, s, "run", piece, piece, piece, piece)
	got := readLog(t, s, "run", 0, 1500)
	if len(got) < 1500 || len(got) > 2500 || !strings.HasPrefix(all, got) {
		t.Errorf("%d bytes of %d for a limit of 1500", len(got), len(all))
	}
	for got := ""; got != all; { // page by page nothing is lost
		page := readLog(t, s, "run", int64(len(got)), 700)
		if page == "" || !strings.HasPrefix(all[len(got):], page) {
			t.Fatalf("the page at %d is %q", len(got), page)
		}
		got += page
	}
}

func TestPieceOfSeveralMegabytesIsReadBack(t *testing.T) {
	s := openStore(t)
	var b bytes.Buffer
	for i := 0; b.Len() < 5<<20; i++ {
		fmt.Fprintf(&b, "layer %d pulled\n", i)
	}
	must(t, appendLog(s, "run", 0, b.Bytes()))
	if got := logSize(t, s, "run"); got != int64(b.Len()) {
		t.Errorf("the size is %d, want %d", got, b.Len())
	}
	if got := readLog(t, s, "run", 0, everything); got != b.String() {
		t.Errorf("%d bytes are read back of %d", len(got), b.Len())
	}
}

func TestCompactionChangesNoByteOfAnyLog(t *testing.T) {
	s := openStore(t)
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		number++
		run := fmt.Sprintf("run-%06d", number)
		neighbour := run + "0"
		// Small alphabets repeat and compress; some pieces span the size of a compacted one.
		piece := rapid.Custom(func(t *rapid.T) string {
			text := rapid.StringN(0, 40, 200).Draw(t, "text")
			return strings.Repeat(text, rapid.SampledFrom([]int{1, 1, 1, 30, 3000}).Draw(t, "times"))
		})
		pieces := rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces")
		all := ""
		for _, p := range pieces {
			if err := appendLog(s, run, int64(len(all)), []byte(p)); err != nil {
				t.Fatal(err)
			}
			all += p
		}
		if err := appendLog(s, neighbour, 0, []byte("neighbour")); err != nil {
			t.Fatal(err)
		}
		offsets := rapid.SliceOfN(rapid.IntRange(0, len(all)+2), 1, 6).Draw(t, "offsets")
		check := func(when string) {
			for _, o := range offsets {
				got, err := s.ReadLog(run, int64(o), everything)
				if want := all[min(o, len(all)):]; err != nil || string(got) != want {
					t.Fatalf("%s, from %d: %d bytes, %v; want %d", when, o, len(got), err, len(want))
				}
			}
			if size, err := s.LogSize(run); err != nil || size != int64(len(all)) {
				t.Fatalf("%s: size %d, %v; want %d", when, size, err, len(all))
			}
		}
		check("as written")
		if err := compactLog(s, run); err != nil {
			t.Fatal(err)
		}
		check("compacted")
		if got, err := s.ReadLog(neighbour, 0, everything); err != nil || string(got) != "neighbour" {
			t.Fatalf("the neighbour's log is %q, %v", got, err)
		}
	})
}

func appendLog(s *state.Store, run string, offset int64, text []byte) error {
	return s.Update(func(tx *state.Tx) error { return tx.AppendLog(run, offset, text) })
}

func compactLog(s *state.Store, run string) error {
	return s.Update(func(tx *state.Tx) error { return tx.CompactLog(run) })
}
