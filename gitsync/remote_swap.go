package gitsync

// SetRemote makes every fetch that begins after it go to another remote, or to
// the same one with other credentials; what is under way ends as it began. The
// mirror keeps its folder and what is in it.
func (m *Mirror) SetRemote(r Remote) { m.remote.Store(&r) }
