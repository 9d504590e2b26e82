package gitsync

import (
	"context"
	"errors"
)

// What can go wrong, for errors.Is. The error's text says where; what to do is
// in its Hint() string.
var (
	// ErrAuth: the remote refused the credentials, or asks for some.
	ErrAuth = errors.New("authentication failed")
	// ErrUntrusted: the server's certificate or host key is not the expected one.
	ErrUntrusted = errors.New("server not trusted")
	// ErrNoRepository: the remote knows no such repository, or hides it.
	ErrNoRepository = errors.New("repository not found")
	// ErrBranchNotFound: the repository has no such branch.
	ErrBranchNotFound = errors.New("branch not found")
	// ErrNotOnBranch: the whole history of the branch does not contain the commit.
	ErrNotOnBranch = errors.New("commit is not on the branch")
	// ErrNotFound: the mirror does not hold the commit.
	ErrNotFound = errors.New("commit is not in the mirror")
	// ErrUnreachable: the remote did not answer, or broke off. Trying again can help.
	ErrUnreachable = errors.New("remote unreachable")
	// ErrDamaged: the mirror on disk cannot be read. The next fetch builds it anew.
	ErrDamaged = errors.New("mirror damaged")
	// ErrDiskFull: there is no room for the mirror. What was there before is
	// unharmed, and the next fetch goes on from it.
	ErrDiskFull = errors.New("no space left on this machine's disk")
	// ErrTooLarge: a file or a pack is above the limit for it.
	ErrTooLarge = errors.New("too large")
	// ErrSymlink: a path leads through a symlink, which is never followed.
	ErrSymlink = errors.New("is a symlink, which is not followed")
	// ErrSubmodule: a path leads into a submodule that cannot be entered.
	ErrSubmodule = errors.New("is a submodule that cannot be entered")
	// ErrNotAllowed: deployer.yaml does not allow the submodule to be fetched.
	ErrNotAllowed = errors.New("not allowed")
	// ErrNotAtRemote: no branch of the submodule's repository has the commit.
	ErrNotAtRemote = errors.New("the commit is not at the remote")
)

// Retryable reports whether the same call can succeed later without anything
// being changed: the network failed, or the mirror heals with the next fetch.
func Retryable(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrDamaged)
}

// An opError is what leaves the package about a remote: a text without
// credentials, and the kinds that errors.Is finds. It does not wrap the error
// that it tells of, whose own text may hold a password.
type opError struct {
	text  string
	hint  string
	kinds []error
}

func (e *opError) Error() string   { return e.text }
func (e *opError) Unwrap() []error { return e.kinds }

// Hint says what an operator can do, and where; empty where the text says all.
func (e *opError) Hint() string { return e.hint }
