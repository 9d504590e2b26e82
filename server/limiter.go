package server

import (
	"net/netip"
	"sync"
	"time"
)

// maxRemotes bounds how many addresses the limiter tells apart. The ones
// beyond it share one budget.
const maxRemotes = 4096

// A limiter counts failures per address in windows of a minute.
type limiter struct {
	perMinute int

	mu     sync.Mutex
	began  time.Time
	counts map[netip.Prefix]int
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

// bucket is the network that one party can be assumed to hold: an address of
// IPv4, a /64 of IPv6.
func (l *limiter) bucket(remote string) netip.Prefix {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits)
	if _, known := l.counts[network]; !known && len(l.counts) >= maxRemotes {
		return netip.Prefix{}
	}
	return network
}
