package compose

import (
	"context"
	"fmt"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"deployer/project"
)

// turns are the events after which a container may be another way than before.
var turns = []string{"start", "die", "oom", "health_status", "destroy", "pause", "unpause"}

// Events calls happened with the project of each container that starts, ends,
// is removed, or changes its health, over one stream of the Engine. It calls
// subscribed first: nothing that happens after that is missed. It returns when
// ctx ends, or with the loss of the Engine.
func (t *Target) Events(ctx context.Context, subscribed func(), happened func(projectName string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := t.negotiate(ctx); err != nil {
		return err
	}
	args := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)), filters.Arg("label", api.ProjectLabel))
	for _, event := range turns {
		args.Add("event", event)
	}
	messages, ended := t.engine.Events(ctx, events.ListOptions{Filters: args}) // returns once the Engine has answered
	subscribed()
	for {
		select {
		case event := <-messages:
			happened(event.Actor.Attributes[api.ProjectLabel])
		case err := <-ended:
			return t.lost(ctx, err)
		}
	}
}

// lost is the end of an event stream as an error.
func (t *Target) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &engineError{t.host, fmt.Errorf("its event stream ended: %w", err)}
}

// Projects lists the containers of every project, stopped ones included, by
// one call.
func (t *Target) Projects(ctx context.Context) (map[string][]project.Container, error) {
	items, err := t.listBy(ctx, filters.NewArgs(filters.Arg("label", api.ProjectLabel)))
	if err != nil {
		return nil, err
	}
	out := map[string][]project.Container{}
	for _, c := range observed(lasting(items)) {
		name := c.Labels[api.ProjectLabel]
		out[name] = append(out[name], c)
	}
	return out, nil
}
