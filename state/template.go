package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// A Template is what deployer remembers of a pattern that stands for one stack
// in each folder of a branch.
type Template struct {
	Name    string      `json:"name"`
	Head    string      `json:"head,omitempty"`    // tip of the branch when last looked at
	Folders []string    `json:"folders,omitempty"` // of the tip, that are stacks
	Left    []string    `json:"left,omitempty"`    // that were, and are no longer on the branch
	Pending []Announced `json:"pending,omitempty"` // pushes that were taken and not looked at yet, the newest last
	Pulls   []Pull      `json:"pulls,omitempty"`   // pull requests on the branch that are open, the newest last
}

// An Announced is what a delivery said of a push.
type Announced struct {
	Delivery string `json:"delivery,omitempty"`
	Actor    string `json:"actor,omitempty"`
	Commit   string `json:"commit"`
	Subject  string `json:"subject,omitempty"`
	Author   string `json:"author,omitempty"`
}

// Announce notes a push to be looked at. A delivery that is announced again is
// one push, and a flood of them leaves the newest.
func (t *Template) Announce(a Announced) {
	t.Pending = slices.DeleteFunc(t.Pending, func(o Announced) bool { return o == a })
	t.Pending = append(t.Pending, a)
	t.Pending = t.Pending[max(0, len(t.Pending)-maxAnnounced):]
}

// maxAnnounced bounds the pushes that wait to be looked at: all of them lead
// to the branch's tip.
const maxAnnounced = 100

// A Pull is an open pull request on a template's branch, as it was last
// announced, and what it was planned for.
type Pull struct {
	PullRequest
	Delivery string   `json:"delivery,omitempty"`
	Actor    string   `json:"actor,omitempty"`
	Title    string   `json:"title,omitempty"`
	Author   string   `json:"author,omitempty"`
	Reason   string   `json:"reason,omitempty"`  // why it is looked at again
	Waiting  bool     `json:"waiting,omitempty"` // to be looked at
	Stacks   []string `json:"stacks,omitempty"`  // that it was found to concern
}

// Pull returns what is kept of a pull request, nil for nothing.
func (t *Template) Pull(number int) *Pull {
	for i := range t.Pulls {
		if t.Pulls[i].Number == number {
			return &t.Pulls[i]
		}
	}
	return nil
}

// PutPull notes a pull request in the place of what was known of it; the
// oldest are forgotten first.
func (t *Template) PutPull(p Pull) {
	t.DropPull(p.Number)
	t.Pulls = append(t.Pulls, p)
	t.Pulls = t.Pulls[max(0, len(t.Pulls)-maxProposals):]
}

// DropPull forgets a pull request and returns what was known of it, nil for nothing.
func (t *Template) DropPull(number int) *Pull {
	i := slices.IndexFunc(t.Pulls, func(p Pull) bool { return p.Number == number })
	if i < 0 {
		return nil
	}
	dropped := t.Pulls[i]
	t.Pulls = slices.Delete(t.Pulls, i, i+1)
	return &dropped
}

// Template returns what is kept of a template; a new one where nothing is.
func (t *Tx) Template(name string) (*Template, error) {
	out := &Template{Name: name}
	bucket := t.tx.Bucket(bucketTemplates) // a database of before there were any has none
	if bucket == nil {
		return out, nil
	}
	raw := bucket.Get([]byte(name))
	if raw == nil {
		return out, nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, fmt.Errorf("read template %s from the database: %w", name, err)
	}
	return out, nil
}

// PutTemplate stores a template, where it is not as it is stored already.
func (t *Tx) PutTemplate(p *Template) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("store template %s: %w", p.Name, err)
	}
	bucket, err := t.tx.CreateBucketIfNotExists(bucketTemplates)
	if err != nil || bytes.Equal(bucket.Get([]byte(p.Name)), raw) {
		return err
	}
	return t.put(bucketTemplates, []byte(p.Name), raw)
}
