package queue

import (
	"testing"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

func TestAdmissionFollowsTheTable(t *testing.T) {
	lock, pin := &state.Lock{}, &state.Pin{}
	push := state.Run{Kind: state.KindDeploy, Trigger: state.Trigger{Kind: state.TriggerWebhook}}
	poll := state.Run{Kind: state.KindDeploy, Trigger: state.Trigger{Kind: state.TriggerPoll}}
	deploy := state.Run{Kind: state.KindDeploy, Trigger: state.Trigger{Kind: state.TriggerAPI}}
	cli := state.Run{Kind: state.KindDeploy, Trigger: state.Trigger{Kind: state.TriggerCLI}}
	rollback := state.Run{Kind: state.KindRollback, Trigger: state.Trigger{Kind: state.TriggerAPI}}
	forced := deploy
	forced.Want.Force = []string{"lock"}
	otherForce := deploy
	otherForce.Want.Force = []string{"quarantine"}
	thaws := deploy
	thaws.Want.Force = []string{"freeze"}
	changing, goingBack := push, push
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) // a Tuesday
	configured := &pipeline.Stack{Freezes: []pipeline.Freeze{{From: pipeline.WeekTime{Day: time.Wednesday, Hour: 8}, Until: pipeline.WeekTime{Day: time.Wednesday, Hour: 18}, Location: time.UTC}}}
	changing.Phase, goingBack.Phase = state.PhaseChanging, state.PhaseRollingBack

	for _, row := range []struct {
		name   string
		run    state.Run
		free   verdict
		locked verdict
		pinned verdict
		both   verdict // locked and pinned
		frozen verdict
	}{
		{"push", push, verdictPass, verdictWait, verdictIgnore, verdictIgnore, verdictWait},
		{"poll", poll, verdictPass, verdictWait, verdictIgnore, verdictIgnore, verdictWait},
		{"deploy by a person", deploy, verdictPass, verdictRefuse, verdictPass, verdictRefuse, verdictRefuse},
		{"deploy from the command line", cli, verdictPass, verdictRefuse, verdictPass, verdictRefuse, verdictRefuse},
		{"deploy that forces the lock", forced, verdictPass, verdictPass, verdictPass, verdictPass, verdictRefuse},
		{"deploy that forces something else", otherForce, verdictPass, verdictRefuse, verdictPass, verdictRefuse, verdictRefuse},
		{"deploy that forces the freeze", thaws, verdictPass, verdictRefuse, verdictPass, verdictRefuse, verdictPass},
		{"rollback by a person", rollback, verdictPass, verdictPass, verdictPass, verdictPass, verdictPass},
		{"push that had begun to change", changing, verdictPass, verdictPass, verdictPass, verdictPass, verdictPass},
		{"push on its way back", goingBack, verdictPass, verdictPass, verdictPass, verdictPass, verdictPass},
	} {
		for _, column := range []struct {
			name  string
			stack state.Stack
			at    time.Time
			want  verdict
			what  obstacle
		}{
			{"free", state.Stack{}, noon, row.free, ""},
			{"locked", state.Stack{Lock: lock}, noon, row.locked, obstacleLock},
			{"pinned", state.Stack{Pin: pin}, noon, row.pinned, obstaclePin},
			{"locked and pinned", state.Stack{Lock: lock, Pin: pin}, noon, row.both, ""},
			{"frozen", state.Stack{}, noon.Add(24 * time.Hour), row.frozen, obstacleFreeze},
		} {
			got, what := admit(configured, &row.run, &column.stack, column.at)
			if got != column.want {
				t.Errorf("%s, %s: %s, want %s", row.name, column.name, got, column.want)
			}
			if (got == verdictPass) != (what == "") || column.what != "" && what != "" && what != column.what {
				t.Errorf("%s, %s: %s because of %q", row.name, column.name, got, what)
			}
		}
	}
}

func TestWhoTakesWhosePlace(t *testing.T) {
	run := func(trigger state.TriggerKind, status state.RunStatus, phase state.Phase) *state.Run {
		return &state.Run{Trigger: state.Trigger{Kind: trigger}, Status: status, Phase: phase}
	}
	push, poll := run(state.TriggerWebhook, state.RunQueued, ""), run(state.TriggerPoll, state.RunQueued, "")
	person := run(state.TriggerAPI, state.RunQueued, "")
	waiting := run(state.TriggerWebhook, state.RunWaiting, "")
	personWaits := run(state.TriggerCLI, state.RunWaiting, "")
	for _, row := range []struct {
		name          string
		next, waiting *state.Run
		want          bool
	}{
		{"a push that of a push", push, push, true},
		{"a poll that of a push", poll, push, true},
		{"a push that of one that waits for the lock", push, waiting, true},
		{"a person that of a push", person, push, true},
		{"a person that of a person", person, personWaits, true},
		{"a push that of a person", push, person, false},
		{"a push that of a person who waits", push, personWaits, false},
		{"a poll that of a person", poll, person, false},
		{"a push that of one that runs", push, run(state.TriggerWebhook, state.RunRunning, ""), false},
		{"a person that of one that runs", person, run(state.TriggerWebhook, state.RunRunning, ""), false},
		{"a person that of one cut off in mid-change", person, run(state.TriggerWebhook, state.RunQueued, state.PhaseChanging), false},
		{"a person that of one cut off on its way back", person, run(state.TriggerWebhook, state.RunQueued, state.PhaseRollingBack), false},
		{"a push that of one cut off in mid-change", push, run(state.TriggerWebhook, state.RunWaiting, state.PhaseChanging), false},
		{"a person that of one that is over", person, run(state.TriggerWebhook, state.RunFailed, ""), false},
	} {
		if got := supersedes(row.next, row.waiting); got != row.want {
			t.Errorf("%s: %t, want %t", row.name, got, row.want)
		}
	}
}
