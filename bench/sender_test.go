package bench

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	hookSecret  = "a webhook's secret"
	connections = 16
)

// A shipment is what a sender is to deliver: copies of one body, each with an
// id and a commit of its own.
type shipment struct {
	Address string
	Body    []byte
	Commit  string // in Body, to be replaced
	Count   int
}

// A delivered is what a sender saw.
type delivered struct {
	Took time.Duration
	P99  time.Duration
}

// The test binary is the sender too, in a process of its own: what sending
// costs is not to be counted as the server's.
func init() {
	if os.Getenv("DEPLOYER_BENCH_SENDER") == "" {
		return
	}
	if err := serveShipments(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A sender is that other process.
type sender struct {
	orders  *json.Encoder
	reports *json.Decoder
}

func startSender(b *testing.B) *sender {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DEPLOYER_BENCH_SENDER=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &sender{json.NewEncoder(in), json.NewDecoder(out)}
}

func (s *sender) send(b *testing.B, what shipment) (seen delivered) {
	b.Helper()
	if err := s.orders.Encode(what); err != nil {
		b.Fatal(err)
	}
	if err := s.reports.Decode(&seen); err != nil {
		b.Fatalf("the sender stopped: %v", err)
	}
	return seen
}

// serveShipments delivers what it is told to until in ends.
func serveShipments(in io.Reader, out io.Writer) error {
	orders, reports := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var what shipment
		if err := orders.Decode(&what); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		seen, err := what.deliver()
		if err == nil {
			err = reports.Encode(seen)
		}
		if err != nil {
			return err
		}
	}
}

// deliver sends over all connections at once what was made before.
func (s shipment) deliver() (delivered, error) {
	lanes := make([][][]byte, connections)
	for i := range s.Count {
		lanes[i%connections] = append(lanes[i%connections], s.request())
	}
	var group sync.WaitGroup
	times := make([][]time.Duration, connections)
	failed := make([]error, connections)
	began := time.Now()
	for i, requests := range lanes {
		group.Go(func() { times[i], failed[i] = post(s.Address, requests) })
	}
	group.Wait()
	seen := delivered{Took: time.Since(began)}
	all := slices.Sorted(slices.Values(slices.Concat(times...)))
	if len(all) > 0 {
		seen.P99 = all[len(all)*99/100]
	}
	return seen, errors.Join(failed...)
}

// request is one delivery as it goes over the wire. GitHub's ids are UUIDs of
// version 1.
func (s shipment) request() []byte {
	id := uuid.Must(uuid.NewUUID())
	commit := fmt.Sprintf("%x", sha1.Sum(id[:]))
	body := bytes.ReplaceAll(s.Body, []byte(s.Commit), []byte(commit))
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write(body)
	return fmt.Appendf(nil, "POST /hooks/infra HTTP/1.1\r\nHost: %s\r\nUser-Agent: GitHub-Hookshot/044aadd\r\nContent-Type: application/json\r\n"+
		"X-GitHub-Event: push\r\nX-GitHub-Delivery: %s\r\nX-Hub-Signature-256: sha256=%x\r\nContent-Length: %d\r\n\r\n%s",
		s.Address, id, mac.Sum(nil), len(body), body)
}

// post sends one request after the other and wants each to be answered 202.
func post(address string, requests [][]byte) (times []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, request := range requests {
		began := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		if err := readAccepted(answers); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}

// readAccepted reads one answer without keeping anything of it.
func readAccepted(r *bufio.Reader) error {
	status, length := "", 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if status == "" {
			status = string(line)
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(v)); err != nil {
				return err
			}
		}
		if len(line) == 0 {
			break
		}
	}
	if status != "HTTP/1.1 202 Accepted" {
		return fmt.Errorf("answered %q", status)
	}
	_, err := r.Discard(length)
	return err
}
