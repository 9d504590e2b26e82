package check

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A zone is what a DNS server answers from.
type zone struct {
	records       string // a line each; once it serves, changed by set
	mu            sync.Mutex
	rcodes        map[string]int // of names it fails on, or "NAME TYPE"
	authoritative bool
	short         bool // answers by UDP are cut off, so that TCP is needed
	silent        bool // it takes questions and does not answer
	overTCP       atomic.Int32
}

func (z *zone) set(records string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = records
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	_, tcp := w.RemoteAddr().(*net.TCPAddr)
	if z.silent {
		return
	}
	answer := new(dns.Msg).SetReply(q)
	answer.Authoritative = z.authoritative
	question := q.Question[0]
	name := strings.ToLower(question.Name)
	exists := false
	z.mu.Lock()
	records := z.records
	z.mu.Unlock()
	for line := range strings.Lines(records) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		own := strings.ToLower(rr.Header().Name)
		exists = exists || own == name
		if own == name && (rr.Header().Rrtype == question.Qtype || rr.Header().Rrtype == dns.TypeCNAME) {
			answer.Answer = append(answer.Answer, rr)
		}
	}
	if !exists {
		answer.Rcode = dns.RcodeNameError
	}
	if len(answer.Answer) == 0 {
		soa, _ := dns.NewRR("example.org. 600 IN SOA ns1.example.org. ops.example.org. 1 2 3 4 300")
		answer.Ns = append(answer.Ns, soa)
	}
	for _, key := range []string{name, name + " " + dns.TypeToString[question.Qtype]} {
		if code, ok := z.rcodes[key]; ok {
			answer.Rcode, answer.Answer = code, nil
		}
	}
	switch {
	case tcp:
		z.overTCP.Add(1)
	case z.short:
		answer.Truncated, answer.Answer = true, nil
	}
	_ = w.WriteMsg(answer)
}

// serve answers at ip:port by UDP and TCP until the test ends; port 0 takes a
// free one. It returns the port.
func (z *zone) serve(t *testing.T, ip, port string) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, port))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	packets, err := net.ListenPacket("udp", net.JoinHostPort(ip, port))
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{Listener: listener, Handler: z}, {PacketConn: packets, Handler: z}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }()
		select {
		case <-started:
		case <-time.After(10 * time.Second):
			t.Fatal("the DNS server does not start")
		}
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return port
}
