package server

import (
	"context"

	"deployer/state"
)

// An Intake takes verified deliveries. When Accept returns without an error
// the work is safely on disk.
type Intake interface {
	Accept(ctx context.Context, repository string, events []state.Event) (state.Receipt, error)
}

// A Control does what a person asks for. Its methods return a *state.Refusal
// where that cannot be done now and state.ErrNotFound for what is not kept.
type Control interface {
	Deploy(ctx context.Context, stack string, by state.Trigger, want state.RunTarget) (*state.Run, error)
	// Rollback takes want.Release as the person wrote it: a run's id, a commit
	// or the start of one, or a fingerprint; empty for the good release before
	// the live one.
	Rollback(ctx context.Context, stack string, by state.Trigger, want state.RunTarget) (*state.Run, error)
	// Plan says what a deploy of a commit would change, of the branch's tip
	// where commit is empty. It changes nothing.
	Plan(ctx context.Context, stack, commit string) (*state.Changes, error)
	Lock(ctx context.Context, stack string, by state.Trigger) error
	Unlock(ctx context.Context, stack string, by state.Trigger) error
	Unpin(ctx context.Context, stack string, by state.Trigger) error
	// Release takes a release, named by its fingerprint, out of quarantine.
	Release(ctx context.Context, stack, release string, by state.Trigger) error
	Cancel(ctx context.Context, run string, by state.Trigger) error
	// Approve and Reject decide about a run that waits for approval.
	Approve(ctx context.Context, run string, by state.Trigger) error
	Reject(ctx context.Context, run string, by state.Trigger) error
	Retry(ctx context.Context, run string, by state.Trigger) (*state.Run, error)
	Backup(ctx context.Context, stack string, by state.Trigger) (*state.Run, error)
	Restore(ctx context.Context, backup string, by state.Trigger) (*state.Run, error)
	// Adopt makes what runs already the stack's first good release.
	Adopt(ctx context.Context, stack string, by state.Trigger) (*state.Run, error)
	// Restart restarts a service of the stack, all where it is empty.
	Restart(ctx context.Context, stack, service string, by state.Trigger) (*state.Run, error)
	// Remove removes the stack's containers and networks, never its volumes.
	Remove(ctx context.Context, stack string, by state.Trigger) (*state.Run, error)
	// Backups lists those of a stack, of all where it is empty, newest first.
	Backups(ctx context.Context, stack string) ([]*state.Backup, error)
}

// Stacks knows the stacks that are configured.
type Stacks interface {
	Names() []string
	// Health is healthy, degraded, drifted or unknown.
	Health(ctx context.Context, stack string) string
	// Holder is the stack that has the stack's project now, where that is
	// another environment of the same folder; else empty.
	Holder(stack string) string
	// Environment is the one that the stack is deployed with by itself; empty
	// for the top level of its pipeline.yaml.
	Environment(stack string) string
	// Readings are the containers of the stack that are down, and what its
	// monitor last read.
	Readings(stack string) []state.Reading
}
