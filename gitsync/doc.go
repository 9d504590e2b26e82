// Package gitsync owns the mirrors of config repositories: bare, shallow Git
// repositories on disk, one per remote, which no other process writes.
//
// A Mirror fetches the tip of a branch, or an exact commit that is shown to be
// on it, and hands it out as a Snapshot: an fs.FS over the commit's tree, read
// from the packs without a checkout. Diff compares two of them.
//
// A Snapshot goes on in the submodules of its commit. Each is fetched into a
// mirror of its own when the first path leads into it, from where the Remote's
// Submodules allow and with the credentials that they give: the repository
// itself chooses neither.
//
// A mirror is a cache, but for the commits that Keep names: the remote may no
// longer have them. What a crash has broken is noticed at the next fetch, which
// builds the mirror anew beside the old one and takes them over.
package gitsync
