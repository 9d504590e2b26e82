// Package e2e tests the whole product on real parts: the built binary, a real
// Git server, real SOPS files and a real Docker Engine.
package e2e
