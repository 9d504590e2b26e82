package forge

import (
	"context"
	"log/slog"
	"time"

	"deployer/state"
	"deployer/state/outbox"
)

const (
	staleAfter = 24 * time.Hour // what could not be written by then is given up
	sinkPrefix = "forge/"
)

// ReporterOptions are what a Reporter works with.
type ReporterOptions struct {
	Store *state.Store
	// Clients are those of now, by repository of deployer.yaml.
	Clients func() map[string]Client
	// RepositoryOf names the repository of a stack, of runs that do not.
	RepositoryOf func(stack string) string
	URL          string              // of deployer's own page; empty: statuses have no link
	Mask         func(string) string // takes secrets out of a text
	Now          func() time.Time
	Log          *slog.Logger
}

// A Reporter writes what becomes of runs to the forge of their repository: a
// commit status for each, and the comment of a review. It never holds up a
// run. Its methods may be called from any goroutine.
type Reporter struct {
	*outbox.Outbox
	options ReporterOptions
	lines   map[string]*line // by repository; only the outbox's look at its sinks touches the map
}

// A line is what was last said to a repository's forge. Only the one that
// writes to it looks at that.
type line struct {
	last    Status // that was set
	refused string // hint of the last refusal, where nothing was taken since
}

// NewReporter makes a reporter.
func NewReporter(o ReporterOptions) *Reporter {
	r := &Reporter{options: o, lines: make(map[string]*line)}
	r.Outbox = outbox.New(outbox.Options{
		Store: o.Store, Prefix: sinkPrefix, Sinks: r.sinks, Task: "write to the forge", Mask: o.Mask, Now: o.Now, Log: o.Log,
	})
	return r
}

func (r *Reporter) sinks() ([]outbox.Sink, error) {
	var out []outbox.Sink
	for repository, client := range r.options.Clients() {
		l := r.lines[repository]
		if l == nil {
			l = &line{}
			r.lines[repository] = l
		}
		out = append(out, outbox.Sink{
			Key: sinkPrefix + repository, Name: repository,
			Wants: func(n *state.Notice, run *state.Run) bool {
				return or(run.Forge, r.options.RepositoryOf(run.Stack)) == repository && !overtaken(n, run)
			},
			Take: func(ctx context.Context, n *state.Notice, run *state.Run) error {
				return r.write(ctx, repository, client, n, run, l)
			},
		})
	}
	return out, nil
}

// overtaken reports whether another notice, which tells how the run ended or
// for which commit it went on, follows this one.
func overtaken(n *state.Notice, run *state.Run) bool {
	if left(n, run) {
		return !n.Status.Terminal()
	}
	return run.Kind != state.KindReview && !n.Status.Terminal() && run.Status.Terminal()
}

// left reports whether the run went on to another commit than the one that a
// notice is of.
func left(n *state.Notice, run *state.Run) bool { return n.Commit != "" && n.Commit != run.Commit }

// write says what there is to say of a run. Only what is worth another try is
// an error.
func (r *Reporter) write(ctx context.Context, repository string, client Client, notice *state.Notice, run *state.Run, l *line) error {
	status, worth := statusOf(run, pageOf(r.options.URL, run))
	if !worth {
		return nil
	}
	if left(notice, run) {
		l.last = Status{}
		status.Commit = notice.Commit
		status.State, status.Description = leftFor(run)
		status.Description = r.options.Mask(status.Description)
		return r.judge(ctx, client.SetStatus(ctx, status), notice, run, l)
	}
	status.Description = r.options.Mask(status.Description)
	if status == l.last && run.Kind != state.KindReview {
		return nil // two notices that the run has gone past since
	}
	err := client.SetStatus(ctx, status)
	if run.Kind == state.KindReview && run.Status.Terminal() && speaks(run) && (err == nil || isRefusal(err)) {
		err = firstOf(r.comment(ctx, repository, client, notice, run), err)
	}
	if p, ok := client.(pullStatuses); ok && run.Kind == state.KindReview && run.Review != nil && (err == nil || isRefusal(err)) {
		err = firstOf(p.SetPullStatus(ctx, run.Review.Pull, status), err)
	}
	if d, ok := client.(deployments); ok && run.Kind != state.KindReview && (err == nil || isRefusal(err)) {
		err = firstOf(r.deployment(ctx, d, status, run), err)
	}
	l.last = Status{}
	if err == nil {
		l.last, l.refused = status, ""
	}
	return r.judge(ctx, err, notice, run, l)
}

// reportStep is the step of a run that says what the forge did not take.
const reportStep = "report to the forge"
