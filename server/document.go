package server

import (
	_ "embed"
	"net/http"
)

// document describes every route that is not for a browser. It is open: it
// tells nothing of this installation.
//
//go:embed openapi.yaml
var document []byte

func (s *Server) getDocument(c *call) error {
	return c.Blob(http.StatusOK, "application/yaml", document)
}
