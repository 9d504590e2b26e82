package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"deployer/pipeline/check"
)

// unknown puts the answer to a name that the server does not have into the
// words of the command line: a mistyped name is wrong use.
func (c *apiClient) unknown(res *http.Response, p *problem) error {
	if p.Title == "" || p.Detail == "" || strings.HasPrefix(p.Detail, "there is nothing at this path") { // it is of another version
		return p
	}
	_, path, _ := strings.Cut(res.Request.URL.EscapedPath(), "/api/v1/")
	parts := strings.SplitN(path, "/", 3)
	name := ""
	if len(parts) > 1 {
		name, _ = url.PathUnescape(parts[1])
	}
	switch {
	case strings.HasPrefix(p.Detail, "there is no stack"):
		p.Detail, p.Hint = fmt.Sprintf("no stack %q", name), "deployer status lists them"
		if near := c.nearestStack(res.Request.Context(), name); near != "" {
			p.Hint = fmt.Sprintf("did you mean %s? %s", near, p.Hint)
		}
	case strings.HasPrefix(p.Detail, "there is no run"):
		p.Detail, p.Hint = fmt.Sprintf("no run %q", name), "deployer runs lists them; old ones are not kept forever"
	case strings.HasPrefix(path, "backups/"):
		p.Detail, p.Hint = fmt.Sprintf("no backup %q", name), "deployer backups lists them"
	}
	return exitError{exitUsage, p}
}

// nearestStack is the stack that a mistyped name was probably meant for.
func (c *apiClient) nearestStack(ctx context.Context, name string) string {
	var answer struct {
		Stacks []stackView `json:"stacks"`
	}
	if err := c.do(ctx, http.MethodGet, "/api/v1/stacks", nil, &answer); err != nil {
		return ""
	}
	var names []string
	for _, s := range answer.Stacks {
		names = append(names, s.Name)
	}
	return check.Nearest(name, names)
}

// emptyOf says why a list of a stack's is empty: a name that the server does
// not have is wrong use. Stacks that are no longer configured have their
// history still, and so a list that is not empty.
func (c *apiClient) emptyOf(ctx context.Context, name string) error {
	err := c.do(ctx, http.MethodGet, stackPath(name), nil, nil)
	if p := (*problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return err
	}
	return nil
}
