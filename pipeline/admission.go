package pipeline

import "deployer/state"

// asker is who wants a run.
type asker string

const (
	byPush           asker = "push" // a webhook or poll
	byPersonDeploy   asker = "person's deploy"
	byPersonRollback asker = "person's rollback"
	byRecovery       asker = "recovery" // a run that a crash cut off after it began to change the target
)

// obstacle is what can stand in a run's way.
type obstacle string

const (
	obstacleLock obstacle = "lock"
	obstaclePin  obstacle = "pin"
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
	byPush:           {obstacleLock: verdictWait, obstaclePin: verdictIgnore},
	byPersonDeploy:   {obstacleLock: verdictRefuse, obstaclePin: verdictPass},
	byPersonRollback: {obstacleLock: verdictPass, obstaclePin: verdictPass},
	byRecovery:       {obstacleLock: verdictPass, obstaclePin: verdictPass},
}

func askerOf(run *state.Run) asker {
	switch {
	case run.Phase != state.PhasePreparing:
		return byRecovery
	case !run.Trigger.Kind.ByPerson():
		return byPush
	case run.Kind == state.KindRollback:
		return byPersonRollback
	}
	return byPersonDeploy
}

// admit returns the strictest verdict on a run and the obstacle that gives it.
func admit(run *state.Run, stack *state.Stack) (verdict, obstacle) {
	table := admission[askerOf(run)]
	if stack.Pin != nil && table[obstaclePin] != verdictPass {
		return table[obstaclePin], obstaclePin
	}
	if stack.Lock != nil && table[obstacleLock] != verdictPass && !run.Want.Forced(string(obstacleLock)) {
		return table[obstacleLock], obstacleLock
	}
	return verdictPass, ""
}

// supersedes reports whether a new run takes the place of one that waits. A
// push never takes a person's, and nothing takes one that has begun to change
// the target.
func supersedes(next, waiting *state.Run) bool {
	if waiting.Phase != state.PhasePreparing || (waiting.Status != state.RunQueued && waiting.Status != state.RunWaiting) {
		return false
	}
	return next.Trigger.Kind.ByPerson() || !waiting.Trigger.Kind.ByPerson()
}
