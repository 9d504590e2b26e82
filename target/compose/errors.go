package compose

import (
	"errors"
	"fmt"

	"github.com/docker/docker/client"
	mobyclient "github.com/moby/moby/client"

	"deployer/project"
)

// engineError is an Engine that does not answer. It is a
// project.ErrEngineUnreachable and can be tried again.
type engineError struct {
	host string
	err  error
}

func (e *engineError) Error() string {
	return fmt.Sprintf("docker engine at %s is not reachable: %v", e.host, e.err)
}

func (e *engineError) Unwrap() []error { return []error{project.ErrEngineUnreachable, e.err} }

func (e *engineError) Retryable() bool { return true }

func (e *engineError) Hint() string {
	return "see that dockerd runs there (systemctl status docker) and that deployer may open " + e.host
}

// reached marks err where its cause is that the Engine cannot be reached, by
// this package's client or by that of the Compose library.
func (t *Target) reached(err error) error {
	lost := client.IsErrConnectionFailed(err) || mobyclient.IsErrConnectionFailed(err)
	if lost && !errors.Is(err, project.ErrEngineUnreachable) {
		return &engineError{t.host, err}
	}
	return err
}

// A ServiceError is a service that does not come up.
type ServiceError struct {
	Service   string
	Container string // its name; empty where none could be made
	Reason    string // "exited with code 1", "is unhealthy: …"
	Logs      string // its last lines, as the container wrote them
	Remedy    string
}

func (e *ServiceError) Error() string {
	if e.Container == "" {
		return fmt.Sprintf("service %s %s", e.Service, e.Reason)
	}
	return fmt.Sprintf("service %s: container %s %s", e.Service, e.Container, e.Reason)
}

// Hint says what to do about it.
func (e *ServiceError) Hint() string { return e.Remedy }
