package forge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// A comment is one that stands on a pull request.
type comment struct {
	path    string // of the API, to edit it
	author  string // id
	text    string
	version int // Bitbucket Data Center: what is edited
}

// A commenter is what a forge does for a sticky comment.
type commenter interface {
	// comments calls visit for each comment of a pull request, page by page,
	// until it returns false.
	comments(ctx context.Context, pull int, visit func(comment) bool) error
	create(ctx context.Context, pull int, text string) error
	edit(ctx context.Context, c comment, text string) error
	self(ctx context.Context) (id string, err error)
}

// putComment does what Client.PutComment says, for any forge.
func putComment(ctx context.Context, f commenter, pull, limit int, marker, body string) error {
	text := body
	if !strings.Contains(body, marker) {
		text = marker + "\n" + body
	}
	text = cut(text, limit)
	me, err := f.self(ctx)
	if err != nil {
		return err
	}
	var found []comment
	err = f.comments(ctx, pull, func(c comment) bool {
		if (me == nobody || c.author == me) && strings.Contains(c.text, marker) {
			found = append(found, c)
		}
		return me == nobody || len(found) == 0
	})
	if err != nil {
		return err
	}
	for _, c := range found {
		if me != nobody && sameText(c.text, text) {
			return nil
		}
		err := f.edit(ctx, c, text)
		deleted := isRefusal(err, http.StatusNotFound, http.StatusGone) // in this moment
		if !deleted && (me != nobody || !isRefusal(err, http.StatusForbidden)) {
			return err
		}
	}
	return f.create(ctx, pull, text)
}

// nobody is what self returns where a token may not ask whose it is and the
// forge lets only authors edit: then it is the forge that tells whose is whose.
const nobody = ""

// sameText compares texts as forges keep them.
func sameText(a, b string) bool {
	norm := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return norm(a) == norm(b)
}

// An identity is who the token belongs to, once that is known: comments of
// others are never touched, whatever marker they hold.
type identity struct {
	mu sync.Mutex
	id string
}

func (i *identity) learn(id string) {
	if id != "" {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.id = id
	}
}

// get returns the id, which ask finds out where no answer has told it yet.
func (i *identity) get(ask func() (string, error)) (string, error) {
	i.mu.Lock()
	known := i.id
	i.mu.Unlock()
	if known != "" {
		return known, nil
	}
	id, err := ask()
	if err != nil {
		return "", err
	}
	if id == "" {
		return "", &Refusal{Status: http.StatusForbidden, Why: "the forge does not say whose the token is", Hint: "use a token of a user of its own"}
	}
	i.learn(id)
	return id, nil
}

func number(id int64) string { return fmt.Sprint(id) }
