// Package gitea is empty: its module pins the Gitea that tests run.
package gitea
