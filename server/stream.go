package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"deployer/state"
)

// A follower is a reader of a run's log as it grows. The id of an event is the
// offset in bytes after its text, so a reader that comes back with it as
// Last-Event-ID misses nothing and reads nothing twice.
type follower struct {
	store  *state.Store
	run    string
	offset int64
	w      *echo.Response
}

// ending is what the last event of a stream says of the run.
type ending struct {
	ID     string          `json:"id"`
	Status state.RunStatus `json:"status"`
	Error  string          `json:"error,omitempty"`
	Hint   string          `json:"hint,omitempty"`
}

// streamLog follows a run until it is over, the reader goes or the server stops.
func (s *Server) streamLog(c *call, run string) error {
	offset, err := resumeAt(c.Request().Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	// Watched before the first look, so that nothing falls between the two.
	changed, stop := s.Store.Watch(run)
	defer stop()
	f := &follower{store: s.Store, run: run, offset: offset, w: c.Response()}
	f.open()
	heartbeat := time.NewTicker(s.Heartbeat)
	defer heartbeat.Stop()
	for {
		over, err := f.catchUp()
		if err != nil || over {
			return err
		}
		select {
		case <-changed:
		case <-heartbeat.C:
			if err := f.send(": still here\n\n"); err != nil {
				return nil
			}
		case <-c.Request().Context().Done():
			return nil
		case <-s.stopping:
			return nil
		}
	}
}

func resumeAt(id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	offset, err := strconv.ParseInt(id, 10, 64)
	if err != nil || offset < 0 {
		return 0, badRequest("Last-Event-ID is not an offset in this log", "send the id of the last event, or none to read from the start")
	}
	return offset, nil
}

func (f *follower) open() {
	h := f.w.Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the events back
	f.w.WriteHeader(http.StatusOK)
	f.w.Flush()
}

// catchUp sends what the log has got since the last time. The run is read
// before its log: where it is over by then, so is the log.
func (f *follower) catchUp() (over bool, err error) {
	var run *state.Run
	err = f.store.View(func(t *state.Tx) (err error) {
		run, err = t.Run(f.run)
		return err
	})
	if err != nil {
		return false, err
	}
	over = run.Status.Terminal()
	for {
		text, err := f.store.ReadLog(f.run, f.offset, logPiece)
		if err != nil {
			return false, err
		}
		if whole := wholeRunes(text); len(whole) > 0 || !over {
			text = whole
		}
		if len(text) == 0 {
			break
		}
		f.offset += int64(len(text))
		if f.send(event(f.offset, text)) != nil {
			return true, nil // the reader is gone
		}
	}
	if !over {
		return false, nil
	}
	last, err := json.Marshal(ending{run.ID, run.Status, run.Error, run.Hint})
	if err == nil {
		_ = f.send("event: end\ndata: " + string(last) + "\n\n")
	}
	return true, err
}

func (f *follower) send(text string) error {
	control := http.NewResponseController(f.w)
	_ = control.SetWriteDeadline(time.Now().Add(pieceTimeout))
	if _, err := f.w.Write([]byte(text)); err != nil {
		return err
	}
	return control.Flush()
}

// lineEnds are what ends a line in an event stream; a log may have any of them.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// event puts text into one event. Joined as the standard has it, its data
// lines are the text again.
func event(end int64, text []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "id: %d\n", end)
	for line := range strings.SplitSeq(lineEnds.Replace(strings.ToValidUTF8(string(text), "\uFFFD")), "\n") {
		b.WriteString("data: ")
		b.WriteString(line)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.String()
}

// wholeRunes leaves out a rune at the end that has not arrived whole.
func wholeRunes(text []byte) []byte {
	tail := max(0, len(text)-utf8.UTFMax)
	for at := len(text) - 1; at >= tail; at-- {
		if utf8.RuneStart(text[at]) {
			if !utf8.FullRune(text[at:]) {
				return text[:at]
			}
			return text
		}
	}
	return text
}
