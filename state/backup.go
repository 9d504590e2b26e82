package state

import "time"

// A Backup is an archive of one volume that was read back after it was
// written. Its manifest, beside the archive, says the same.
type Backup struct {
	ID           string    `json:"id"` // name of the archive without its ending
	Stack        string    `json:"stack"`
	Project      string    `json:"project"`
	Volume       string    `json:"volume"` // its name on the Engine
	Run          string    `json:"run"`
	Why          string    `json:"why"` // what it was made for
	Release      string    `json:"release,omitempty"`
	Commit       string    `json:"commit,omitempty"` // of the release that ran
	At           time.Time `json:"at"`
	Archive      string    `json:"archive"`                 // path on deployer's host
	Size         int64     `json:"size"`                    // of the archive, in bytes
	Content      int64     `json:"content"`                 // of all files in it, in bytes
	Files        int       `json:"files"`                   // entries of every kind
	SHA256       string    `json:"sha256"`                  // of the archive, in hexadecimal
	OutwardLinks int       `json:"outward_links,omitempty"` // symlinks that lead out of the volume
	// Found says that the archive was found with its manifest, and not made by
	// this server: what it holds is trusted less.
	Found   bool `json:"found,omitempty"`
	Missing bool `json:"missing,omitempty"` // the archive is not there any more, or not whole; not stored
}

// A Hold is what a run has paused or stopped and must let go on again. It is
// on disk before the first container is touched.
type Hold struct {
	Stack      string   `json:"stack"`
	Project    string   `json:"project"`
	Run        string   `json:"run"`
	Stopped    bool     `json:"stopped"`    // else paused
	Containers []string `json:"containers"` // ids, in the order in which they are started
}

// A Replacement is a volume that a restore is about to remove and to fill
// anew. It is on disk before the volume is touched.
type Replacement struct {
	Volume string `json:"volume"`
	Safety string `json:"safety,omitempty"` // backup of what was there; empty where nothing was
	Done   bool   `json:"done,omitempty"`   // the volume is whole again
}
