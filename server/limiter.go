package server

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// maxRemotes bounds how many addresses the limiter tells apart. The ones
// beyond it share one budget.
const maxRemotes = 4096

// maxProofs bounds how many tokens the limiter remembers.
const maxProofs = 4096

// A limiter counts failures per address in windows of a minute. A token that
// was right from an address before is never held up there: behind a proxy or a
// router one script with an old token would keep everybody out.
type limiter struct {
	perMinute int

	mu     sync.Mutex
	began  time.Time
	counts map[netip.Prefix]int
	proofs map[proof]bool
}

// A proof is that a token, by its hash, was right from an address.
type proof struct {
	remote netip.Prefix
	token  [sha256.Size]byte
}

// proven reports whether the token was right from there before.
func (l *limiter) proven(remote string, token [sha256.Size]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.proofs[proof{network(remote), token}]
}

func (l *limiter) succeeded(remote string, token [sha256.Size]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.proofs == nil || len(l.proofs) >= maxProofs {
		l.proofs = make(map[proof]bool)
	}
	l.proofs[proof{network(remote), token}] = true
}

// blocked returns how long an address has to wait; zero where it need not.
func (l *limiter) blocked(remote string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.roll(now)
	if l.counts[l.bucket(remote)] < l.perMinute {
		return 0
	}
	return l.began.Add(time.Minute).Sub(now)
}

func (l *limiter) failed(remote string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.roll(now)
	l.counts[l.bucket(remote)]++
}

func (l *limiter) roll(now time.Time) {
	if l.counts == nil || now.Sub(l.began) >= time.Minute {
		l.began, l.counts = now, make(map[netip.Prefix]int)
	}
}

// bucket is what the failures of an address are counted under.
func (l *limiter) bucket(remote string) netip.Prefix {
	from := network(remote)
	if _, known := l.counts[from]; !known && len(l.counts) >= maxRemotes {
		return netip.Prefix{}
	}
	return from
}

// network is what one party can be assumed to hold: an address of IPv4, a /64
// of IPv6.
func network(remote string) netip.Prefix {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	from, _ := addr.Prefix(bits)
	return from
}
