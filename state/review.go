package state

// A Review is what a run of kind review plans: a pull request on a stack's
// branch. The run's commit is the one that was planned, its changes are the
// plan.
type Review struct {
	Pull   int    `json:"pull"` // its number at the forge
	Title  string `json:"title"`
	Base   string `json:"base"`             // branch that it would be merged into, short
	Head   string `json:"head"`             // commit that was proposed
	Fork   bool   `json:"fork,omitempty"`   // the head is in another repository
	Behind bool   `json:"behind"`           // the head alone was planned, and the base has commits that it lacks
	Stale  bool   `json:"stale,omitempty"`  // the base has moved since
	Ended  string `json:"ended,omitempty"`  // merged or closed
	Merged string `json:"merged,omitempty"` // the commit that the merge made, where it is known
}
