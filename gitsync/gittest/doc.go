// Package gittest makes real Git repositories and serves them over smart HTTP,
// for tests. It needs the git binary and skips a test where there is none.
//
// Nothing of the user's Git configuration is seen, and commits have a fixed
// author and increasing times, so that the same calls give the same ids.
package gittest
