package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

const (
	maxOutput = 64 << 10 // of a command or of a container's log that is kept in memory
	maxTail   = 1000
)

// Logs returns the last lines of a container since a time, the zero time for
// ever, at most 64 KiB of their end.
func (t *Target) Logs(ctx context.Context, containerID string, tail int, since time.Time) (string, error) {
	inspected, err := t.engine.ContainerInspect(ctx, containerID)
	if err != nil {
		return "", t.reached(err)
	}
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(min(max(tail, 0), maxTail))}
	if !since.IsZero() {
		options.Since = since.UTC().Format(time.RFC3339Nano)
	}
	stream, err := t.engine.ContainerLogs(ctx, containerID, options)
	if err != nil {
		return "", t.reached(err)
	}
	defer stream.Close()
	out := &ending{limit: maxOutput}
	tty := inspected.Config != nil && inspected.Config.Tty
	if err := demultiplex(out, stream, tty); err != nil {
		return "", fmt.Errorf("logs of container %s: %w", containerID, err)
	}
	return out.String(), nil
}

// demultiplex copies what a container wrote, both of its streams in the order
// in which they came. A terminal has one stream without frames.
func demultiplex(w io.Writer, r io.Reader, tty bool) error {
	var err error
	if tty {
		_, err = io.Copy(w, r)
	} else {
		_, err = stdcopy.StdCopy(w, w, r)
	}
	return err
}

// ending keeps the end of what is written to it.
type ending struct {
	limit int
	buf   bytes.Buffer
}

func (e *ending) Write(p []byte) (int, error) {
	_, _ = e.buf.Write(p)
	if over := e.buf.Len() - e.limit; over > 0 {
		e.buf.Next(over)
	}
	return len(p), nil
}

func (e *ending) String() string { return strings.ToValidUTF8(e.buf.String(), "\uFFFD") }

// beginning keeps the beginning of what is written to it.
type beginning struct {
	limit int
	buf   bytes.Buffer
}

func (b *beginning) Write(p []byte) (int, error) {
	_, _ = b.buf.Write(p[:min(len(p), b.limit-b.buf.Len())])
	return len(p), nil
}

func (b *beginning) String() string { return strings.ToValidUTF8(b.buf.String(), "\uFFFD") }
