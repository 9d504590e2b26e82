//go:build !crashpoints

package state

// CrashPoint names a place where the process may die: before and after what
// is on disk changes. Built with the tag crashpoints, DEPLOYER_CRASH_AT=N kills
// it at the N-th that it comes to, and DEPLOYER_CRASH_COUNT=FILE adds the name
// of each to a file; otherwise it is nothing.
func CrashPoint(string) {}
