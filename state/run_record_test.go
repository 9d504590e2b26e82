package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Records are read with the dictionary that they were written with: another
// one is another file, with the next number.
func TestDictionaryIsTheOneThatRecordsWereWrittenWith(t *testing.T) {
	const released = "74d255d37423e4d15654003b687b4df63813d6f108172785e65a5c5b24109ad2"
	sum := sha256.Sum256(runDictionary)
	if got := hex.EncodeToString(sum[:]); got != released {
		t.Errorf("run-1.dict was changed: %s", got)
	}
}

func TestRecordOfARunThatIsOverIsAFractionOfIt(t *testing.T) {
	text := []byte(`{"id":"01a20e68-964f-7114-9bf7-fd53e9982c78","stack":"shop","kind":"deploy","trigger":{"kind":"webhook","actor":"dev","delivery":"3c1e5a7e-3a0b-4c9e-8b38-5d4f0c6a9f12"},"commit":"7e53c282bb0bb4a6b31efcf6e7bb28447e1ff4e4","subject":"Raise the limit","author":"Zoë","release":"6df17ac021ed61d628e4f32193a69b16","status":"succeeded","created_at":"2026-11-24T16:34:24.975075091Z","started_at":"2026-11-24T16:34:24.980741385Z","finished_at":"2026-11-24T16:34:25.213714962Z","stages":[{"name":"fetch","status":"passed","started_at":"2026-11-24T16:34:24.986162361Z","finished_at":"2026-11-24T16:34:25.044427175Z","steps":[{"name":"fetch","status":"passed","message":"7e53c28 “Raise the limit” by Zoë","duration_ms":38},{"name":"pipeline.yaml","status":"passed","message":"none in the commit: defaults apply","duration_ms":0}]},{"name":"preflight","status":"passed","started_at":"2026-11-24T16:34:25.080424044Z","finished_at":"2026-11-24T16:34:25.12478192Z","steps":[{"name":"compose","status":"passed","message":"2 services, 0 mounts","duration_ms":5},{"name":"images","status":"passed","message":"2 on the Engine, 0 of them pulled now","duration_ms":0},{"name":"engine","status":"passed","message":"Docker Engine 29.1 (API 1.52) on linux/amd64, 1TiB free in /var/lib/docker","duration_ms":0}]}]}`)
	for _, status := range []RunStatus{RunSucceeded, RunRunning} {
		raw := packRun(text, status)
		if small := 3*len(raw) < len(text); small != status.Terminal() {
			t.Errorf("%s: %d bytes are kept of %d", status, len(raw), len(text))
		}
		var want, got Run
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if err := decodeRun([]byte(want.ID), raw, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-stored +read):\n%s", status, d)
		}
	}
}

func TestBrokenRecordIsAnErrorThatNamesTheRun(t *testing.T) {
	for _, raw := range []string{"", "{", "(\xb5/\xfd", "nonsense"} {
		if err := decodeRun([]byte("r-1"), []byte(raw), new(Run)); err == nil || !strings.Contains(err.Error(), "r-1") {
			t.Errorf("%q: %v", raw, err)
		}
	}
}
