package secrets

import "fmt"

// An Error says what is wrong with an encrypted file or an env file, and what
// to do about it. It quotes nothing of the file but names of variables.
type Error struct {
	Path    string
	Line    int // from 1; 0 where the whole file is meant
	Problem string
	Hint    string // what to do next; may be empty
	NoKey   bool   // all that is wrong is that no key at hand decrypts it
}

func (e *Error) Error() string {
	text := e.Path
	if e.Line > 0 {
		text += fmt.Sprintf(":%d", e.Line)
	}
	text += ": " + e.Problem
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}
