package server

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"deployer/state"
)

func (f *fixture) appendLog(run string, offset int64, text string) int64 {
	f.t.Helper()
	if err := f.Store.Update(func(tx *state.Tx) error { return tx.AppendLog(run, offset, []byte(text)) }); err != nil {
		f.t.Fatal(err)
	}
	return offset + int64(len(text))
}

func (f *fixture) finish(run *state.Run, status state.RunStatus) {
	f.t.Helper()
	run.Status = status
	f.update(func(tx *state.Tx) error { return tx.PutRun(run) })
}

func TestLogIsText(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	var want strings.Builder
	for want.Len() < 3*logPiece {
		f.appendLog(run.ID, int64(want.Len()), "a line of the log, with ü\n")
		want.WriteString("a line of the log, with ü\n")
		if want.Len() > 100 { // large pieces from then on
			piece := strings.Repeat("x", 30<<10) + "\n"
			f.appendLog(run.ID, int64(want.Len()), piece)
			want.WriteString(piece)
		}
	}
	a := f.call(RoleViewer, http.MethodGet, "/api/v1/runs/"+run.ID+"/log", "").expect(t, http.StatusOK)
	if a.body != want.String() {
		t.Errorf("%d bytes were sent, %d written", len(a.body), want.Len())
	}
	if kind := a.Header.Get("Content-Type"); kind != "text/plain; charset=utf-8" {
		t.Errorf("sent as %s", kind)
	}
}

func TestLogThatIsEmptyIsEmptyText(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunQueued)
	if a := f.call(RoleViewer, http.MethodGet, "/api/v1/runs/"+run.ID+"/log", "").expect(t, http.StatusOK); a.body != "" {
		t.Errorf("sent %q", a.body)
	}
}

// A message is an event as a reader of the stream gets it.
type message struct{ id, event, data string }

// A stream is an open event stream.
type stream struct {
	t    *testing.T
	body *bufio.Scanner
	stop func() error
}

func (f *fixture) follow(run, lastID string) *stream {
	f.t.Helper()
	req := f.request(RoleViewer, http.MethodGet, "/api/v1/runs/"+run+"/log", "")
	req.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		f.t.Fatalf("answered %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return &stream{f.t, bufio.NewScanner(resp.Body), resp.Body.Close}
}

// next reads one message the way the standard says; ok is false at the end.
func (s *stream) next() (m message, ok bool) {
	var data []string
	for s.body.Scan() {
		field, value, _ := strings.Cut(s.body.Text(), ": ")
		switch field {
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			data = append(data, value)
		case "":
			if value != "" { // a comment
				m.event = "comment"
			}
			m.data = strings.Join(data, "\n")
			if s.body.Text() == "" {
				return m, true
			}
		default:
			s.t.Fatalf("the stream has the line %q", s.body.Text())
		}
	}
	return m, false
}

// rest reads to the end of the stream: the text, the last id and the last message.
func (s *stream) rest() (text, id string, last message) {
	for {
		m, ok := s.next()
		if !ok {
			return text, id, last
		}
		last = m
		if m.event == "" {
			text, id = text+m.data, m.id
		}
	}
}

func TestStreamFollowsARunToItsEnd(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	at := f.appendLog(run.ID, 0, "fetch\n")
	s := f.follow(run.ID, "")
	if m, _ := s.next(); m != (message{id: "6", data: "fetch\n"}) {
		t.Fatalf("first came %+v", m)
	}
	at = f.appendLog(run.ID, at, "two\nlines")
	if m, _ := s.next(); m != (message{id: "15", data: "two\nlines"}) {
		t.Fatalf("then came %+v", m)
	}
	f.appendLog(run.ID, at, "\n")
	run.Error, run.Hint = "verify failed", "look at it"
	f.finish(run, state.RunRolledBack)
	text, id, last := s.rest()
	if text != "\n" || id != "16" {
		t.Errorf("the rest is %q up to %s", text, id)
	}
	want := message{event: "end", data: `{"id":"` + run.ID + `","status":"rolled_back","error":"verify failed","hint":"look at it"}`}
	if last != want {
		t.Errorf("the end is %+v, expected %+v", last, want)
	}
}

func TestStreamResumesWhereItWasLeft(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	at := f.appendLog(run.ID, 0, "one\ntwo\n")
	s := f.follow(run.ID, "")
	first, _ := s.next()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	f.appendLog(run.ID, at, "three\n")
	f.finish(run, state.RunSucceeded)
	if err := f.Store.Update(func(tx *state.Tx) error { return tx.CompactLog(run.ID) }); err != nil {
		t.Fatal(err)
	}
	if text, id, last := f.follow(run.ID, first.id).rest(); text != "three\n" || id != "14" || last.event != "end" {
		t.Errorf("resumed with %q up to %s, then %+v", text, id, last)
	}
	if text, _, _ := f.follow(run.ID, "5").rest(); text != "wo\nthree\n" {
		t.Errorf("resumed in the middle with %q", text)
	}
	if text, _, last := f.follow(run.ID, "14").rest(); text != "" || last.event != "end" {
		t.Errorf("resumed at the end with %q, then %+v", text, last)
	}
}

func TestStreamKeepsTextWhole(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	at := f.appendLog(run.ID, 0, "50 %\r100 %\r\ndata: id: 7\n\nü is \xc3")
	s := f.follow(run.ID, "")
	m, _ := s.next()
	if m.data != "50 %\n100 %\ndata: id: 7\n\nü is " {
		t.Errorf("came %q", m.data)
	}
	f.appendLog(run.ID, at, "\xbc\n")
	if m, _ = s.next(); m.data != "ü\n" {
		t.Errorf("then came %q", m.data)
	}
	f.finish(run, state.RunSucceeded)
	_, _, _ = s.rest()
}

func TestStreamEndsOnARuneThatNeverArrived(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	f.appendLog(run.ID, 0, "cut \xc3")
	f.finish(run, state.RunFailed)
	if text, id, last := f.follow(run.ID, "").rest(); text != "cut \uFFFD" || id != "5" || last.event != "end" {
		t.Errorf("came %q up to %s, then %+v", text, id, last)
	}
}

func TestQuietStreamShowsThatItLives(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Heartbeat = time.Millisecond })
	run := f.putRun("registry", state.RunRunning)
	if m, ok := f.follow(run.ID, "").next(); !ok || m.event != "comment" {
		t.Errorf("came %+v", m)
	}
}

func TestStreamRefusesAnOffsetThatIsNone(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	for _, id := range []string{"-1", "x", "99999999999999999999"} {
		req := f.request(RoleViewer, http.MethodGet, "/api/v1/runs/"+run.ID+"/log", "")
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Last-Event-ID", id)
		f.do(req).expect(t, http.StatusBadRequest)
	}
}
