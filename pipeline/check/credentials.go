package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/trustelem/zxcvbn"
	"github.com/trustelem/zxcvbn/match"
	"golang.org/x/crypto/bcrypt"
)

// credentialsCheck judges a password, and the hashes that are stored of it.
// Nothing of either is ever shown.
type credentialsCheck struct {
	Username text `check:"username,required"`
	Password text `check:"password,required"`
	Htpasswd text `check:"htpasswd"` // user:hash, a line or a comma between several
	Host     text `check:"host"`     // a password made of it is a weak one
	MinScore int  `check:"min_score"`
	MinCost  int  `check:"min_cost"`
}

func newCredentials() Check { return &credentialsCheck{MinScore: 3, MinCost: 10} }

func (c *credentialsCheck) validate() error {
	switch {
	case c.MinScore < 0 || c.MinScore > 4:
		return fmt.Errorf("min_score: %d is not from 0 to 4", c.MinScore)
	case c.MinCost < bcrypt.MinCost || c.MinCost > maxCost:
		return fmt.Errorf("min_cost: %d is not from %d to %d", c.MinCost, bcrypt.MinCost, maxCost)
	}
	return nil
}

func (c *credentialsCheck) Run(_ context.Context, w *World) Result {
	var r report
	summary := c.strength(&r, w)
	if c.Htpasswd.plain != "" {
		summary += c.hashes(&r)
	}
	return r.result(summary)
}

const newPassword = "make a new one: openssl rand -base64 24, and set it with its hash"

// published are passwords of well-known guides, which no estimator has seen.
var published = []string{"VotreMo7DeP@sseF0rt!", "correct horse battery staple", "correcthorsebatterystaple", "Tr0ub4dour&3"}

func (c *credentialsCheck) strength(r *report, w *World) string {
	user, password := c.Username.plain, c.Password.plain
	switch {
	case user == "":
		r.fail("the user name is empty", "set it in the env file")
	case password == "":
		r.fail("the password is empty", newPassword)
	case placeholderIn(password):
		r.fail("the password is a placeholder", newPassword)
	case strings.EqualFold(password, user):
		r.fail("the password is the user name", newPassword)
	case slices.Contains(published, password):
		r.fail("the password is that of a published example", newPassword)
	}
	if len(r.failures) > 0 {
		return ""
	}
	own := append([]string{user, c.Host.plain}, strings.Split(c.Host.plain, ".")...)
	if w.Project != nil {
		own = append(own, w.Project.Name)
	}
	own = slices.DeleteFunc(own, func(s string) bool { return s == "" })
	// Beyond that the time grows, while nobody guesses it.
	judged := zxcvbn.PasswordStrength(password[:min(len(password), 100)], own)
	switch known := len(judged.Sequence) == 1 && isWord(judged.Sequence[0]); {
	case judged.Score < c.MinScore && known:
		r.fail("the password is a known one, or made of the user name or host", newPassword)
	case judged.Score < c.MinScore:
		r.fail(fmt.Sprintf("the password is weak: strength %d of 4, want %d", judged.Score, c.MinScore), newPassword)
	}
	return fmt.Sprintf("the password of %s has strength %d of 4", c.Username, judged.Score)
}

func isWord(m *match.Match) bool { return m.Pattern == "dictionary" }

// maxCost is what a check has the time for: each step doubles it, and 16 takes
// some seconds.
const maxCost = 16

// hashes holds the stored hashes to the user name and the password.
func (c *credentialsCheck) hashes(r *report) string {
	const renew = "make it again: htpasswd -nbB -C 10 USER PASSWORD"
	stored := c.Htpasswd.plain
	if strings.Contains(stored, "$$2") {
		r.warn("the $ in the stored hash are doubled, which only a compose file itself needs", "in the env file write the hash between single quotes, each $ once")
		stored = strings.ReplaceAll(stored, "$$", "$")
	}
	lines := strings.FieldsFunc(strings.ReplaceAll(stored, `\n`, "\n"), func(c rune) bool { return c == '\n' || c == '\r' || c == ',' })
	found, others := false, 0
	for i, line := range lines {
		user, hash, ok := strings.Cut(strings.TrimSpace(line), ":")
		about := fmt.Sprintf("entry %d of the stored hashes", i+1)
		cost, err := bcrypt.Cost([]byte(hash))
		switch {
		case !ok:
			r.fail(about+" is not user:hash", renew)
			continue
		case err != nil:
			r.fail(about+" is no bcrypt hash, and a registry takes no other", renew)
			found = found || user == c.Username.plain
			continue
		case cost < c.MinCost:
			r.fail(fmt.Sprintf("%s has cost %d, want %d", about, cost, c.MinCost), renew)
		case cost > maxCost:
			r.fail(fmt.Sprintf("%s has cost %d: every login would take seconds", about, cost), renew)
			found = found || user == c.Username.plain
			continue
		}
		if user != c.Username.plain {
			others++
			continue
		}
		found = true
		if bcrypt.CompareHashAndPassword([]byte(hash), []byte(c.Password.plain)) != nil {
			r.fail(about+" does not match the password", renew+"; an unquoted $ in the env file is taken for a variable")
		}
	}
	if !found {
		r.fail(fmt.Sprintf("the stored hashes have no entry for %s", c.Username), renew)
	}
	summary := ", and the stored hash matches"
	if others > 0 {
		summary += fmt.Sprintf("; %d other users are not judged", others)
	}
	return summary
}
