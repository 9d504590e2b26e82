package server

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// A route is one thing that can be asked of the server. What is not in the
// table does not exist, and what is in it without being open asks for a role.
type route struct {
	method string
	path   string
	role   Role   // the least that is needed; open asks for nothing
	action string // in the audit trail, of routes that change something
	page   bool   // for a browser: a session's cookie counts, a bearer token does not
	handle func(*call) error
}

const hookPath = "/hooks/:repository"

// routes are the table, with a HEAD for each GET that only looks: net/http
// leaves the body out.
func (s *Server) routes() []route {
	routes := s.table()
	for _, r := range routes {
		if r.method == http.MethodGet && r.action == "" {
			r.method = http.MethodHead
			routes = append(routes, r)
		}
	}
	return routes
}

func (s *Server) table() []route {
	return []route{
		{method: http.MethodPost, path: hookPath, role: open, handle: s.takeDelivery},

		{method: http.MethodGet, path: "/api/v1/stacks", role: RoleViewer, handle: s.listStacks},
		{method: http.MethodGet, path: "/api/v1/stacks/:stack", role: RoleViewer, handle: s.getStack},
		{method: http.MethodPost, path: "/api/v1/stacks/:stack/deploy", role: RoleDeployer, action: "deploy", handle: s.deploy},
		{method: http.MethodPost, path: "/api/v1/stacks/:stack/rollback", role: RoleDeployer, action: "rollback", handle: s.rollback},
		{method: http.MethodPost, path: "/api/v1/stacks/:stack/plan", role: RoleViewer, handle: s.plan},
		{method: http.MethodPost, path: "/api/v1/stacks/:stack/adopt", role: RoleAdmin, action: "adopt", handle: s.adopt},
		{method: http.MethodPost, path: "/api/v1/stacks/:stack/restart", role: RoleDeployer, action: "restart", handle: s.restart},
		{method: http.MethodPost, path: "/api/v1/stacks/:stack/remove", role: RoleAdmin, action: "remove", handle: s.remove},
		{method: http.MethodPut, path: "/api/v1/stacks/:stack/lock", role: RoleDeployer, action: "lock", handle: s.lock},
		{method: http.MethodDelete, path: "/api/v1/stacks/:stack/lock", role: RoleDeployer, action: "unlock", handle: s.unlock},
		{method: http.MethodDelete, path: "/api/v1/stacks/:stack/pin", role: RoleDeployer, action: "unpin", handle: s.unpin},
		{method: http.MethodDelete, path: "/api/v1/stacks/:stack/quarantine/:release", role: RoleDeployer, action: "release", handle: s.release},

		{method: http.MethodGet, path: "/api/v1/runs", role: RoleViewer, handle: s.listRuns},
		{method: http.MethodGet, path: "/api/v1/runs/:run", role: RoleViewer, handle: s.getRun},
		{method: http.MethodGet, path: "/api/v1/runs/:run/log", role: RoleViewer, handle: s.getLog},
		{method: http.MethodPost, path: "/api/v1/runs/:run/cancel", role: RoleDeployer, action: "cancel", handle: s.cancel},
		{method: http.MethodPost, path: "/api/v1/runs/:run/approve", role: RoleDeployer, action: "approve", handle: s.approve},
		{method: http.MethodPost, path: "/api/v1/runs/:run/reject", role: RoleDeployer, action: "reject", handle: s.reject},
		{method: http.MethodPost, path: "/api/v1/runs/:run/retry", role: RoleDeployer, action: "retry", handle: s.retry},

		{method: http.MethodGet, path: "/api/v1/reviews", role: RoleViewer, handle: s.listReviews},
		{method: http.MethodGet, path: "/api/v1/reviews/:review", role: RoleViewer, handle: s.getReview},

		{method: http.MethodGet, path: "/api/v1/releases", role: RoleViewer, handle: s.listReleases},
		{method: http.MethodGet, path: "/api/v1/backups", role: RoleViewer, handle: s.listBackups},
		{method: http.MethodPost, path: "/api/v1/stacks/:stack/backup", role: RoleDeployer, action: "backup", handle: s.backup},
		{method: http.MethodPost, path: "/api/v1/backups/:backup/restore", role: RoleAdmin, action: "restore", handle: s.restore},
		{method: http.MethodGet, path: "/api/v1/snapshot", role: RoleAdmin, action: "snapshot", handle: s.getSnapshot},
		{method: http.MethodGet, path: "/api/v1/audit", role: RoleAdmin, handle: s.listAudit},
		{method: http.MethodGet, path: "/api/v1/openapi.yaml", role: open, handle: s.getDocument},

		{method: http.MethodGet, path: "/healthz", role: open, handle: s.getHealth},
		{method: http.MethodGet, path: "/readyz", role: open, handle: s.getReadiness},
		{method: http.MethodGet, path: "/metrics", role: RoleViewer, handle: s.getMetrics},

		{method: http.MethodGet, path: "/", role: RoleViewer, page: true, handle: s.stacksPage},
		{method: http.MethodGet, path: "/stacks/:stack", role: RoleViewer, page: true, handle: s.stackPage},
		{method: http.MethodGet, path: "/runs/:run", role: RoleViewer, page: true, handle: s.runPage},
		{method: http.MethodGet, path: "/login", role: open, page: true, handle: s.loginPage},
		{method: http.MethodPost, path: "/login", role: open, page: true, handle: s.login},
		{method: http.MethodPost, path: "/logout", role: RoleViewer, page: true, handle: s.logout},
		{method: http.MethodGet, path: "/static/style.css", role: open, page: true, handle: s.getStyle},
	}
}

// newEcho registers the table, and nothing else.
func (s *Server) newEcho() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = s.answerError
	e.IPExtractor = remoteAddress(s.TrustedProxies)
	e.Use(s.observe)
	for _, r := range s.routes() {
		e.Add(r.method, r.path, s.guard(r))
	}
	return e
}
