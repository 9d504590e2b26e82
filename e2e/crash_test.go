package e2e

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// These tests kill the server wherever it can be killed, and hold it to this:
// started again, without a hand, every push has its outcome, the stack runs a
// verified release, the database is sound, and nothing is left over.
//
// `make test` takes a sample of the moments; with DEPLOYER_SOAK=1 there are all
// of them. DEPLOYER_SEED repeats a sample.

func soaking() bool { return os.Getenv("DEPLOYER_SOAK") != "" }

// sample returns every number up to n, or a few of them.
func sample(r *rand.Rand, n, few int) []int {
	all := r.Perm(n)
	if !soaking() {
		all = all[:min(few, n)]
	}
	for i := range all {
		all[i]++
	}
	return all
}

func TestKilledAtEveryJournalPoint(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	for _, k := range []kind{goodPush, crashing, failing, unconcerned} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			c := newCourse(t, seed)
			c.trial(k, atPoint{1 << 20})
			total := len(c.points())
			for _, n := range sample(c.rand, total, 3) {
				c.trial(k, atPoint{n})
			}
			t.Logf("%d of %d points", len(sample(c.rand, total, 3)), total)
			c.mustHideSecrets()
		})
	}
}

// The second time, the server dies on the way that the first death sent it.
func TestKilledTwiceAtJournalPoints(t *testing.T) {
	t.Parallel()
	c := newCourse(t, seedOf(t))
	for range trials(3, 100) {
		k := []kind{goodPush, crashing, failing}[c.rand.IntN(3)]
		c.trial(k, atPoint{20 + c.rand.IntN(60)}, atPoint{1 + c.rand.IntN(60)})
	}
	c.mustHideSecrets()
}

func TestKilledAtEveryRequestToTheEngine(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	for _, k := range []kind{goodPush, crashing} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			c := newCourse(t, seed)
			c.trial(k, atRequest{n: 1 << 20})
			total := len(c.proxy.changes())
			for _, n := range sample(c.rand, 2*total, 3) {
				c.trial(k, atRequest{(n + 1) / 2, n%2 == 0})
			}
			t.Logf("%d requests to the Engine change something", total)
		})
	}
}

func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	c := newCourse(t, seedOf(t))
	for range trials(4, 200) {
		k := []kind{goodPush, crashing, failing, unconcerned}[c.rand.IntN(4)]
		killers := []killer{c.someMoment()}
		for c.rand.IntN(3) == 0 {
			killers = append(killers, c.someMoment())
		}
		c.trial(k, killers...)
	}
	for n := 1; n <= 3; n++ {
		c.trial(goodPush, atFetch{n})
	}
	c.mustHideSecrets()
}

func (c *course) someMoment() *atMoment {
	return &atMoment{after: time.Duration(c.rand.IntN(1500)) * time.Millisecond}
}

// trials is how many there are: few, or many when soaking.
func trials(few, many int) int {
	if soaking() {
		return many
	}
	return few
}
