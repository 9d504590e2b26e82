package state_test

import (
	"testing"
	"time"

	"deployer/state"
)

func TestIssuancesAreKeptOnce(t *testing.T) {
	s := openStore(t)
	if got := read(t, s, func(tx *state.Tx) ([]state.Issuance, error) { return tx.Issuances(time.Time{}) }); len(got) != 0 {
		t.Fatalf("got %v", got)
	}
	at := func(ago time.Duration, host string, kind state.IssuanceKind) state.Issuance {
		return state.Issuance{At: noon.Add(-ago), Host: host, Kind: kind, Resolver: "le"}
	}
	day := 24 * time.Hour
	seen := []state.Issuance{
		at(time.Minute, "a.example.org", state.CertificateFailed), at(time.Minute, "b.example.org", state.CertificateFailed),
		at(2*day, "a.example.org", state.CertificateIssued), at(9*day, "a.example.org", state.CertificateIssued),
	}
	for range 2 {
		update(t, s, func(tx *state.Tx) error { return tx.NoteIssuances(seen, noon) })
	}
	got := read(t, s, func(tx *state.Tx) ([]state.Issuance, error) { return tx.Issuances(time.Time{}) })
	if len(got) != 3 || got[0] != seen[2] || got[0].At.After(got[1].At) {
		t.Errorf("got %v", got)
	}
	if got := read(t, s, func(tx *state.Tx) ([]state.Issuance, error) { return tx.Issuances(noon.Add(-time.Hour)) }); len(got) != 2 {
		t.Errorf("of the last hour: %v", got)
	}
	update(t, s, func(tx *state.Tx) error { return tx.NoteIssuances(nil, noon.Add(7*day)) })
	if got := read(t, s, func(tx *state.Tx) ([]state.Issuance, error) { return tx.Issuances(time.Time{}) }); len(got) != 2 {
		t.Errorf("what nobody counts any more is kept: %v", got)
	}
}
