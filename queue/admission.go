package queue

import (
	"time"

	"deployer/pipeline"
	"deployer/state"
)

// asker is who wants a run.
type asker string

const (
	byPush           asker = "push" // a webhook or poll
	byPersonDeploy   asker = "person's deploy"
	byPersonRollback asker = "person's rollback"
	byKeeper         asker = "backup"   // what leaves the release as it is: backup, restore, restart, remove, review
	byRecovery       asker = "recovery" // a run that a crash cut off after it began to change the target
)

// obstacle is what can stand in a run's way.
type obstacle string

const (
	obstacleLock   obstacle = "lock"
	obstacleFreeze obstacle = "freeze"
	obstaclePin    obstacle = "pin"
)

// verdict is what an obstacle means to an asker.
type verdict string

const (
	verdictPass   verdict = "pass"
	verdictWait   verdict = "wait"
	verdictRefuse verdict = "refuse" // unless forced
	verdictIgnore verdict = "ignore"
)

// admission is the table of who waits for what.
var admission = map[asker]map[obstacle]verdict{
	byPush:           {obstacleLock: verdictWait, obstacleFreeze: verdictWait, obstaclePin: verdictIgnore},
	byPersonDeploy:   {obstacleLock: verdictRefuse, obstacleFreeze: verdictRefuse, obstaclePin: verdictPass},
	byPersonRollback: {obstacleLock: verdictPass, obstacleFreeze: verdictPass, obstaclePin: verdictPass},
	byKeeper:         {obstacleLock: verdictPass, obstacleFreeze: verdictPass, obstaclePin: verdictPass},
	byRecovery:       {obstacleLock: verdictPass, obstacleFreeze: verdictPass, obstaclePin: verdictPass},
}

func askerOf(run *state.Run) asker {
	switch {
	case run.Phase != state.PhasePreparing:
		return byRecovery
	case !run.Kind.OfRelease():
		return byKeeper
	case !run.Trigger.Kind.ByPerson():
		return byPush
	case run.Kind == state.KindRollback:
		return byPersonRollback
	}
	return byPersonDeploy
}

// admit returns the strictest verdict on a run at a time, and the obstacle
// that gives it.
func admit(s *pipeline.Stack, run *state.Run, known *state.Stack, at time.Time) (verdict, obstacle) {
	_, frozen := pipeline.FrozenUntil(s.Freezes, at)
	table := admission[askerOf(run)]
	for _, o := range []struct {
		obstacle
		there bool
	}{{obstaclePin, known.Pin != nil}, {obstacleLock, known.Lock != nil}, {obstacleFreeze, frozen}} {
		if o.there && table[o.obstacle] != verdictPass && !run.Want.Forced(string(o.obstacle)) {
			return table[o.obstacle], o.obstacle
		}
	}
	return verdictPass, ""
}

// supersedes reports whether a new run takes the place of one that waits. A
// push never takes a person's, nothing takes one that has begun to change the
// target, and backups, restores and reviews stand beside the releases. The
// newest review of a pull request is the one that counts.
func supersedes(next, waiting *state.Run) bool {
	if next.Kind == state.KindReview && waiting.Kind == state.KindReview {
		return next.Review.Pull == waiting.Review.Pull && (waiting.Status == state.RunQueued || waiting.Status == state.RunWaiting)
	}
	if !next.Kind.OfRelease() || !waiting.Kind.OfRelease() || next.Kind == state.KindAdopt {
		return false
	}
	if waiting.Phase != state.PhasePreparing || (waiting.Status != state.RunQueued && waiting.Status != state.RunWaiting) {
		return false
	}
	return next.Trigger.Kind.ByPerson() || !waiting.Trigger.Kind.ByPerson()
}
