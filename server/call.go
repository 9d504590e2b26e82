package server

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"deployer/state"
)

// A call is one request that was let through, and what the audit trail is to
// say about it.
type call struct {
	echo.Context
	access *Access // as it was when the request came in
	token  Token   // of the caller; empty on an open route

	reason string // that the person gave
	run    string // that came of it
}

// by says who asks, as runs and locks remember it.
func (c *call) by() state.Trigger {
	kind := state.TriggerAPI
	if c.Request().Header.Get("X-Deployer-Client") == "cli" {
		kind = state.TriggerCLI
	}
	return state.Trigger{Kind: kind, Actor: c.token.Name, Reason: c.reason}
}

// name returns a part of the path that names something. The router hands a
// path on as it was encoded where that was not the usual way.
func (c *call) name(part string) string {
	v := c.Param(part)
	if c.Request().URL.RawPath == "" {
		return v
	}
	plain, err := url.PathUnescape(v)
	if err != nil {
		return v
	}
	return plain
}
