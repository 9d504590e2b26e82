package e2e

import (
	"testing"
	"time"
)

func TestZZDebug(t *testing.T) {
	s := promotedRegistry(t)
	s.edit("compose.yaml", `REGISTRY_STORAGE_DELETE_ENABLED: "true"`, `REGISTRY_HTTP_ADDR: "256.256.0.1:5000"`)
	_, id := s.Begin("crashes", s.files())
	time.Sleep(45 * time.Second)
	out, _ := s.CLI("logs", id)
	t.Log(out)
}
