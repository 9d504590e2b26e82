package compose

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/image"
)

// stepImages gathers the images that the steps of a build have made, as the builder
// tells of them: those of a step that it found made already are not its own.
type stepImages struct {
	ids   []string
	other bool // the step began with an image, or had been made before
}

var madeImage = regexp.MustCompile(`^---> ([0-9a-f]{12,64})$`)

func (m *stepImages) hear(line string) {
	switch {
	case strings.HasPrefix(line, "Step "):
		_, instruction, _ := strings.Cut(line, " : ")
		m.other = len(instruction) >= 5 && strings.EqualFold(instruction[:5], "FROM ")
	case line == "---> Using cache":
		m.other = true
	default:
		if found := madeImage.FindStringSubmatch(line); found != nil && !m.other {
			m.ids = append(m.ids, found[1])
		}
	}
}

// builds are those under way on a Target, and what failed ones have left.
type builds struct {
	mu      sync.Mutex
	running int
	left    []string
}

func (b *builds) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running++
}

// end returns what may be removed now: a build that is under way may have
// taken a step of another one for its own, and needs it until it is over.
func (b *builds) end(left []string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running--
	b.left = append(b.left, left...)
	if b.running > 0 {
		return nil
	}
	left, b.left = b.left, nil
	return left
}

// leftLimit bounds the removal of what a failed build has left.
const leftLimit = 30 * time.Second

// built ends a build: the images of one that failed have no name, and nothing
// would ever remove them. What something has come to depend on stays.
func (t *Target) built(ctx context.Context, m *stepImages, failed bool) {
	var left []string
	if failed {
		left = m.ids
	}
	left = t.builds.end(left)
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), leftLimit)
	defer done()
	for _, id := range slices.Backward(left) { // each is the parent of the next
		_, _ = t.engine.ImageRemove(ctx, id, image.RemoveOptions{})
	}
}
