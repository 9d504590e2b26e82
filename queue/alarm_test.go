package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

// A livelyTarget tells of what happens to its containers, and can be lost, at
// a moment of the test's choice.
type livelyTarget struct {
	*fakeTarget
	more map[string]func(*project.Condition) // by service: what an inspect says besides

	moving  sync.Mutex
	streams map[chan string]chan error
	away    bool
	mute    bool // it does not give the lines of logs
	fails   int  // how many looks fail from now on
	looks   int
}

func (l *livelyTarget) Logs(ctx context.Context, id string, tail int, since time.Time) (string, error) {
	l.moving.Lock()
	mute := l.mute
	l.moving.Unlock()
	if mute {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return l.fakeTarget.Logs(ctx, id, tail, since)
}

func (l *livelyTarget) Events(ctx context.Context, subscribed func(), happened func(string)) error {
	l.moving.Lock()
	if l.away {
		l.moving.Unlock()
		return errors.New("the Engine does not answer")
	}
	events, lost := make(chan string, 100), make(chan error, 1)
	l.streams[events] = lost
	l.moving.Unlock()
	defer func() {
		l.moving.Lock()
		defer l.moving.Unlock()
		delete(l.streams, events)
	}()
	subscribed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-lost:
			return err
		case name := <-events:
			happened(name)
		}
	}
}

// goAway ends the streams, and there is none until comeBack.
func (l *livelyTarget) goAway() {
	l.moving.Lock()
	defer l.moving.Unlock()
	l.away = true
	for _, lost := range l.streams {
		lost <- errors.New("the stream ended")
	}
}

func (l *livelyTarget) comeBack() {
	l.moving.Lock()
	defer l.moving.Unlock()
	l.away = false
}

// happens changes a container and says that something has happened.
func (l *livelyTarget) happens(service string, change func(*project.Container), more func(*project.Condition)) {
	l.edit("shop", service, change)
	l.moving.Lock()
	l.more[service] = more
	l.moving.Unlock()
	l.stirs()
}

func (l *livelyTarget) Projects(ctx context.Context) (map[string][]project.Container, error) {
	have, err := l.Containers(ctx, "shop")
	return map[string][]project.Container{"shop": have}, err
}

func (l *livelyTarget) Conditions(ctx context.Context, name string) (out []project.Condition, err error) {
	have, err := l.Containers(ctx, name)
	l.moving.Lock()
	defer l.moving.Unlock()
	l.looks++
	if l.fails > 0 {
		l.fails--
		return nil, errors.New("docker events: internal error")
	}
	for _, c := range have {
		found := project.Condition{Container: c, StartedAt: c.Created, RestartPolicy: "always"}
		if more := l.more[c.Service]; more != nil {
			more(&found)
		}
		out = append(out, found)
	}
	return out, err
}

func (l *livelyTarget) looked() int {
	l.moving.Lock()
	defer l.moving.Unlock()
	return l.looks
}

var _ pipeline.WatchedTarget = (*livelyTarget)(nil)

// quick are times that a test can wait for.
var quick = alarmTimes{grace: 300 * time.Millisecond, well: 100 * time.Millisecond, restarts: 3, within: 2 * time.Second, pause: 10 * time.Millisecond}

// newAlarmBench is a bench with a live release that is watched.
func newAlarmBench(t *testing.T) (b *bench, l *livelyTarget, good *state.Run) {
	t.Helper()
	b = newBench(t)
	l = &livelyTarget{fakeTarget: b.target, more: map[string]func(*project.Condition){}, streams: map[chan string]chan error{}}
	b.stacks[0].Target = l
	b.watched()
	good = b.deployed("one", b.app("shop", "app:1", ""))
	return b, l, good
}

// watched is the next start of the process, with quick times.
func (b *bench) watched() {
	b.t.Helper()
	b.watchedAfter(quick.grace)
}

// watchedAfter is watched with another grace.
func (b *bench) watchedAfter(grace time.Duration) {
	b.t.Helper()
	b.stop()
	b.renew()
	b.queue.alarms = quick
	b.queue.alarms.grace = grace
	b.serve()
}

// silent waits for longer than anything takes to be told, and wants no news
// after the given ones.
func (b *bench) silent(known int) {
	b.t.Helper()
	time.Sleep(3 * quick.grace)
	if runs := b.monitorRuns(); len(runs) != known {
		b.t.Fatalf("%d runs, want %d: %s", len(runs), known, b.story(runs[0]))
	}
}

func up(c *project.Container)   { c.State, c.Health, c.ExitCode = "running", "healthy", 0 }
func sick(c *project.Container) { c.State, c.Health = "running", "unhealthy" }

func died(at time.Time) func(*project.Condition) {
	return func(c *project.Condition) { c.FinishedAt, c.RestartPolicy, c.Restarts = at, "on-failure", 2 }
}

func TestContainerThatDiesIsToldOnceAndThatItIsWell(t *testing.T) {
	b, l, good := newAlarmBench(t)
	b.silent(0)
	at := time.Now().Add(-time.Second).UTC()
	l.happens("web", func(c *project.Container) { c.State, c.Health, c.ExitCode = "exited", "", 3 }, died(at))
	alarm := b.news(0)
	if alarm.Status != state.RunFailed || alarm.Commit != good.Commit || alarm.Trigger.Kind != state.TriggerEngine {
		t.Error(b.story(alarm))
	}
	b.says(alarm.Trigger.Reason, "web exited with code 3")
	b.says(alarm.Error, "web: exited with code 3; since "+at.Format(time.DateTime))
	b.says(alarm.Hint, "deployer restart shop web", "deployer rollback shop")
	b.says(alarm.Stages[0].Steps[0].Message, "live is "+state.ShortCommit(good.Commit), "its last words")
	b.isTold(alarm, state.RunFailed)
	if got := b.queue.Health(t.Context(), "shop"); got != "degraded" {
		t.Errorf("health is %s", got)
	}
	if r := b.queue.Readings("shop"); len(r) != 1 || r[0].Check != "web" || r[0].Status != state.StepFailed || !r[0].Since.Equal(at) || r[0].At.IsZero() {
		t.Errorf("readings %+v", r)
	}
	l.happens("db", func(*project.Container) {}, nil) // something else
	b.silent(1)

	l.happens("web", up, nil)
	well := b.news(1)
	if well.Status != state.RunSucceeded || well.Error != "" || len(b.stack("shop").Alarms) != 0 {
		t.Error(b.story(well))
	}
	b.says(well.Trigger.Reason, "web is well again, after ")
	if got := b.queue.Health(t.Context(), "shop"); got != "healthy" {
		t.Errorf("health is %s", got)
	}
	b.silent(2)
}

func TestSecretsOfAContainersLogAreNotTold(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	l.mu.Lock()
	l.says = func(string) string { return "cannot log in with " + canary }
	l.mu.Unlock()
	l.happens("web", sick, func(c *project.Condition) { c.HealthOutput = "its health check ended with 1: " + canary })
	alarm := b.news(0)
	all := alarm.Error + alarm.Stages[0].Steps[0].Message + b.log(alarm) + b.queue.Readings("shop")[0].Message
	b.says(all, "cannot log in with [redacted]", "ended with 1: [redacted]")
	if strings.Contains(all, canary) {
		t.Errorf("the secret is told: %s", all)
	}
}

// An Engine that does not give the lines of a log puts no alarm off for long.
func TestAlarmDoesNotWaitForLines(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	l.moving.Lock()
	l.mute = true
	l.moving.Unlock()
	l.happens("web", stopped, nil)
	alarm := b.news(0)
	b.says(alarm.Trigger.Reason, "web exited with code 137")
	b.says(alarm.Stages[0].Steps[0].Message, "its last lines could not be read: the Engine did not give them within 5s")
}

// A look that fails is made again soon, also where no event says so.
func TestLookThatFailedIsMadeAgain(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	b.silent(0)
	l.moving.Lock()
	l.fails = 3
	l.moving.Unlock()
	started := time.Now()
	l.happens("web", stopped, nil)
	b.says(b.news(0).Trigger.Reason, "web exited with code 137")
	if took := time.Since(started); took > monitorAgain/3 {
		t.Errorf("it took %s", took)
	}
}

// One that the Engine does not answer for is told of, and its restarts count on.
func TestContainerThatTheEngineHangsWithIsTold(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	at := time.Now()
	restarts := func(n int, silent bool) {
		before := l.looked()
		l.happens("web", up, func(c *project.Condition) {
			if c.Silent = silent; !silent {
				c.Restarts, c.StartedAt, c.FinishedAt = n, at, at
			}
		})
		l.until(t, "it is looked at", func() bool { return l.looks > before })
	}
	restarts(1, false)
	restarts(2, false)
	restarts(2, true)
	b.says(b.news(0).Trigger.Reason, "web is running as the Engine lists it, but the Engine does not answer for it")
	l.moving.Lock()
	l.more["web"] = nil
	l.moving.Unlock() // no event says so
	b.says(b.news(1).Trigger.Reason, "web is well again")
}

func TestWhatComesBackWithinTheGraceIsNoNews(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	l.happens("web", sick, nil)
	time.Sleep(quick.grace / 3)
	l.happens("web", up, nil)
	b.silent(0)
}

func TestRestartLoopIsToldThoughItIsUpInBetween(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	b.watchedAfter(time.Hour) // for which a loop does not wait
	restarted := func(n int) {
		at, before := time.Now(), l.looked()
		l.happens("web", up, func(c *project.Condition) {
			c.Restarts, c.StartedAt, c.FinishedAt, c.ExitCode = n, at, at, 1
		})
		l.until(t, "it is looked at", func() bool { return l.looks > before })
	}
	l.until(t, "it is watched", func() bool { return len(l.streams) == 1 })
	restarted(1)
	restarted(2)
	b.silent(0)
	restarted(3)
	alarm := b.news(0)
	b.says(alarm.Trigger.Reason, "web restarts again and again: 3 times in ", "the last exit code was 1")
	restarted(4) // it goes on
	b.silent(1)
	b.watched() // and deployer does not know how often it was
	b.silent(1)
	if got := b.queue.Health(t.Context(), "shop"); got != "degraded" {
		t.Errorf("health is %s", got)
	}
	b.says(b.news(1).Trigger.Reason, "web is well again") // it was not restarted for long enough
}

// until waits for something about the target.
func (l *livelyTarget) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		l.moving.Lock()
		done := ok()
		l.moving.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

func TestWhatGoesDownTogetherIsOneMessage(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	l.happens("web", stopped, nil)
	time.Sleep(quick.grace / 5)
	l.happens("db", stopped, nil)
	b.says(b.news(0).Trigger.Reason, "web exited with code 137", "db exited with code 137")
	b.silent(1)
}

// vanishes removes containers, by their keys, as `docker rm -f` does.
func (l *livelyTarget) vanishes(keys ...string) {
	l.mu.Lock()
	maps.DeleteFunc(l.containers["shop"], func(key string, _ project.Container) bool { return slices.Contains(keys, key) })
	l.mu.Unlock()
	l.stirs()
}

// stirs says that something has happened to the project.
func (l *livelyTarget) stirs() {
	l.moving.Lock()
	defer l.moving.Unlock()
	for events := range l.streams {
		events <- "shop"
	}
}

// replica is another container of a service.
func (l *livelyTarget) replica(service string, number int) {
	l.mu.Lock()
	c := l.containers["shop"][service]
	c.Number, c.ID, c.Name = number, fmt.Sprintf("%s-replica-%d", service, number), fmt.Sprintf("shop-%s-%d", service, number)
	l.containers["shop"][c.Name] = c
	l.mu.Unlock()
	l.stirs()
}

func TestContainerThatSomebodyRemovesIsTold(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	l.happens("web", func(c *project.Container) { c.State, c.Health, c.ExitCode = "exited", "", 0 }, func(c *project.Condition) { c.EndsByItself = true })
	b.silent(0)
	l.vanishes("web", "db")
	alarm := b.news(0)
	b.says(alarm.Trigger.Reason, "db has no container: somebody has removed it")
	if len(alarm.Stages[0].Steps) != 1 {
		t.Errorf("web has ended, and its container may be removed then: %s", b.story(alarm))
	}
	b.watched() // which does not know what ran before
	b.silent(1)
	if got := b.queue.Health(t.Context(), "shop"); got != "degraded" {
		t.Errorf("health is %s", got)
	}
}

// Two are wanted, and one is there: also where nothing was seen of the other.
func TestReplicaThatSomebodyRemovesIsTold(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	files := b.app("shop", "app:2", "")
	files["shop/compose.yaml"] = gittest.Text("services:\n  web: {image: app:2, scale: 3, restart: always}\n  db: {image: db:1}\n")
	reached, let := b.target.hold(func(c call) bool { return c.op == "applied" })
	run := b.push("two", files)
	b.await(reached)
	l.replica("web", 2)
	l.replica("web", 3)
	let()
	b.ends(run, state.RunSucceeded)
	b.silent(0)
	l.vanishes("shop-web-2")
	alarm := b.news(0)
	b.says(alarm.Trigger.Reason, "web-2 has no container: somebody has removed it")
	if len(alarm.Stages[0].Steps) != 1 {
		t.Error(b.story(alarm))
	}
	b.says(alarm.Hint, "deployer deploy shop")
	b.silent(1)

	b.stop() // web-3 goes while nobody looks
	l.vanishes("shop-web-3")
	b.watched()
	b.says(b.news(1).Trigger.Reason, "web-3 has no container")
	l.replica("web", 2)
	b.says(b.news(2).Trigger.Reason, "web-2 is well again")
}

// Whatever deployer does itself, and what people were told by the run, is not
// told once more.
func TestOwnRunsAreNoOutage(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	reached, let := b.target.hold(func(c call) bool { return c.op == "apply" })
	run := b.push("two", b.app("shop", "app:2", ""))
	b.await(reached)
	l.happens("web", stopped, nil)
	b.silent(0)
	l.happens("web", up, nil)
	let()
	b.ends(run, state.RunSucceeded)
	b.silent(0)
	b.ends(b.push("bad", b.app("shop", "broken:3", "")), state.RunRolledBack)
	b.silent(0)
	b.ends(b.push("worse", b.app("shop", "broken:4", "rollback: {automatic: false}\n")), state.RunFailed)
	b.silent(0)
}

// A run that found all up has told that it is well.
func TestRunThatVerifiedEndsAlarms(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	l.happens("web", func(c *project.Container) { c.State, c.Health, c.ExitCode = "exited", "", 3 }, nil)
	b.news(0)
	b.deployed("two", b.app("shop", "app:2", ""))
	if got := b.stack("shop").Alarms; len(got) != 0 {
		t.Errorf("still told of: %+v", got)
	}
	if got := b.queue.Health(t.Context(), "shop"); got != "healthy" {
		t.Errorf("health is %s", got)
	}
	b.silent(1)

	l.happens("web", stopped, nil)
	b.news(1)
	b.ends(b.push("bad", b.app("shop", "broken:3", "")), state.RunRolledBack)
	if got := b.stack("shop").Alarms; len(got) != 0 {
		t.Errorf("after the way back, still told of: %+v", got)
	}
	b.silent(2)
}

// That a container which a run has kept was up says nothing about its restarts.
func TestRunEndsARestartLoopOnlyWhereItMadeTheContainerAnew(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	loop := func(n int) {
		at, before := time.Now(), l.looked()
		l.happens("web", up, func(c *project.Condition) { c.Restarts, c.StartedAt, c.FinishedAt = n, at, at })
		l.until(t, "it is looked at", func() bool { return l.looks > before })
	}
	for n := range 4 {
		loop(n)
	}
	b.says(b.news(0).Trigger.Reason, "web restarts again and again")
	files := b.app("shop", "app:1", "")
	files["shop/compose.yaml"] = gittest.Text("services:\n  web: {image: app:1, environment: {PASSWORD: \"${PASSWORD}\"}}\n  db: {image: db:2}\n")
	b.deployed("another service", files)
	if got := b.stack("shop").Alarms; len(got) != 1 {
		t.Errorf("told of: %+v", got)
	}
	b.deployed("web", b.app("shop", "app:2", ""))
	if got := b.stack("shop").Alarms; len(got) != 0 {
		t.Errorf("still told of: %+v", got)
	}
	b.silent(1)
}

// What a failed run has left down is told by it, also to the next starts; what
// goes down later is told of.
func TestWhatAFailedRunLeftIsNotToldAfterAStart(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	b.ends(b.push("bad", b.app("shop", "broken:2", "rollback: {automatic: false}\n")), state.RunFailed)
	b.stop() // perhaps before anybody has looked
	b.watched()
	b.silent(0)
	if left := b.stack("shop").Left; left == nil || !left.Looked || !slices.Equal(left.Units, []string{"web"}) {
		t.Errorf("left is %+v", left)
	}
	b.watched()
	l.happens("db", stopped, nil)
	b.says(b.news(0).Trigger.Reason, "db exited")
	l.happens("web", up, nil)
	b.silent(1)
	l.happens("web", stopped, nil)
	b.says(b.news(1).Trigger.Reason, "web exited")
}

func TestAlarmsOutliveDeployer(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	at := time.Now().UTC()
	l.happens("web", stopped, died(at))
	b.news(0)
	b.watched()
	b.silent(1) // not twice

	b.stop()
	l.happens("web", up, nil)
	l.happens("db", stopped, died(at))
	b.watched()
	var reasons string
	for known := 1; known < 3; known++ { // what began and what ended meanwhile
		reasons += b.news(known).Trigger.Reason + "\n"
	}
	b.says(reasons, "web is well again", "db exited with code 137")

	b.stop()
	l.happens("db", up, nil)
	b.watched() // all is well, but nobody was told
	b.says(b.news(3).Trigger.Reason, "db is well again")
	b.silent(4)
}

func TestLostEngineIsSubscribedToAgain(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	l.goAway()
	l.happens("web", stopped, nil) // nobody hears it
	b.silent(0)
	l.comeBack()
	b.news(0)
	l.happens("web", up, nil)
	b.news(1)
}

func TestNothingIsAskedWhileNothingHappens(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	b.silent(0) // the look after the deploy
	before := l.looked()
	b.silent(0)
	if n := l.looked() - before; n != 0 || before == 0 {
		t.Errorf("%d looks at what nothing happens to, after %d", n, before)
	}
}

func TestAlarmsEndWithTheStack(t *testing.T) {
	b, l, _ := newAlarmBench(t)
	l.happens("web", stopped, nil)
	b.news(0)
	b.must(b.store.Update(func(tx *state.Tx) error {
		return tx.ChangeStack("shop", func(s *state.Stack) { s.Live, s.LastGood = nil, nil })
	}))
	l.happens("db", stopped, nil)
	for end := time.Now().Add(patience); len(b.stack("shop").Alarms) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what is not deployed is still told of")
		}
	}
	b.silent(1)
}

// A monitor with the check containers sees the same: who sees it first tells it.
func TestMonitorAndAlarmTellTheSameOnce(t *testing.T) {
	told := func(runs []*state.Run) (out []*state.Run) {
		for _, r := range runs {
			if r.Repeats == "" {
				out = append(out, r)
			}
		}
		return out
	}
	for name, tt := range map[string]struct {
		every string
		first state.TriggerKind
	}{
		"monitor": {"1s", state.TriggerSchedule},
		"alarm":   {"3s", state.TriggerEngine},
	} {
		t.Run(name, func(t *testing.T) {
			b, l, _ := newAlarmBench(t)
			if tt.first == state.TriggerSchedule {
				b.watchedAfter(4 * time.Second)
			}
			b.deployed("two", b.app("shop", "app:1", "monitor: {every: "+tt.every+", checks: [{check: containers}]}\n"))
			b.sees("shop", state.StepPassed)
			l.happens("web", stopped, nil)
			first := b.news(0)
			b.news(1)
			if runs := told(b.monitorRuns()); first.Trigger.Kind != tt.first || len(runs) != 1 || runs[0].ID != first.ID {
				t.Fatalf("first %s, then told %d times", first.Trigger.Kind, len(runs))
			}
			l.happens("web", up, nil)
			b.news(2)
			b.news(3)
			if runs := told(b.monitorRuns()); len(runs) != 2 || runs[0].Trigger.Kind != tt.first || runs[0].Status != state.RunSucceeded {
				t.Errorf("told %d times, the last by %s", len(runs), runs[0].Trigger.Kind)
			}
		})
	}
}

// A goneTarget is lost between its list and its inspects.
type goneTarget struct{ *livelyTarget }

func (goneTarget) Conditions(context.Context, string) ([]project.Condition, error) {
	return nil, project.ErrEngineUnreachable
}

func TestEndsOfRunsOutliveTheLossOfAnEngine(t *testing.T) {
	b, l, good := newAlarmBench(t)
	b.stop()
	gone := goneTarget{l}
	failed := &state.Run{Kind: state.KindDeploy, Status: state.RunFailed, Phase: state.PhaseChanging}
	w := &watchdog{
		Queue: b.queue, target: gone, projects: map[string][]*pipeline.Stack{}, watches: map[string]*vigil{},
		heard: map[string]bool{}, ended: map[string]*state.Run{}, bell: make(chan struct{}, 1),
	}
	for _, name := range []string{"shop", "other"} {
		err := b.store.Update(func(tx *state.Tx) error {
			return tx.PutStack(&state.Stack{Name: name, Live: &state.Release{ID: good.Release, Stack: name, At: time.Now()}})
		})
		if err != nil {
			t.Fatal(err)
		}
		stack := *b.stacks[0]
		stack.Name, stack.Project, stack.Target = name, name, gone
		w.projects[name], w.watches[name] = []*pipeline.Stack{&stack}, newVigil()
		w.watches[name].down["web"] = time.Now()
		w.ended[name] = failed
		w.hear(name)
	}
	if _, err := w.pass(t.Context()); !errors.Is(err, project.ErrEngineUnreachable) {
		t.Fatal(err)
	}
	for name, v := range w.watches {
		if len(v.down) > 0 {
			t.Errorf("that a run of %s has ended is forgotten", name)
		}
	}
}
