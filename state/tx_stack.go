package state

import (
	"errors"
)

// Stack returns what is kept of a stack; a new one where nothing is.
func (t *Tx) Stack(name string) (*Stack, error) {
	s, err := get[Stack](t.tx, bucketStacks, []byte(name))
	if errors.Is(err, ErrNotFound) {
		return &Stack{Name: name}, nil
	}
	return s, err
}

// PutStack stores a stack.
func (t *Tx) PutStack(s *Stack) error { return t.putJSON(bucketStacks, []byte(s.Name), s) }

// ChangeStack reads a stack, lets fn change it and stores it.
func (t *Tx) ChangeStack(name string, fn func(*Stack)) error {
	s, err := t.Stack(name)
	if err != nil {
		return err
	}
	fn(s)
	return t.PutStack(s)
}
