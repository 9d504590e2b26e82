package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

const (
	// smallBody is what nearly every delivery fits into, in bytes.
	smallBody = 1 << 20
	// largeBodies bounds how many deliveries at a time may be larger: nobody
	// has vouched for a body while it is being read.
	largeBodies = 8
)

// A deliveryBody is used again from delivery to delivery, so that a flood of
// them leaves the memory flat.
type deliveryBody struct {
	bytes.Buffer
	slot <-chan struct{} // to be given back; nil for a small body
}

var bodies = sync.Pool{New: func() any { return new(deliveryBody) }}

func (b *deliveryBody) free() {
	if b.slot != nil {
		<-b.slot
		b.slot = nil
	}
	if b.Cap() <= 2*smallBody {
		b.Reset()
		bodies.Put(b)
	}
}

// readBody reads a delivery whole, within MaxBody and BodyTimeout.
func (s *Server) readBody(c *call, into *deliveryBody) error {
	announced := c.Request().ContentLength
	if announced > s.MaxBody {
		return tooLargeProblem(s.MaxBody)
	}
	into.Grow(int(min(max(announced, 0), smallBody)) + bytes.MinRead)
	body := http.MaxBytesReader(c.Response().Writer, c.Request().Body, s.MaxBody)
	_, err := io.CopyN(into, body, smallBody)
	if err == nil {
		select {
		case s.large <- struct{}{}:
			into.slot = s.large
		default:
			return unavailable(c, "too many large deliveries arrive at once", "it can be sent again in a moment")
		}
		_, err = into.ReadFrom(body)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return bodyProblem(err)
	}
	return nil
}
