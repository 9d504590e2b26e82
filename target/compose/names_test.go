package compose

import (
	"context"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// takeName has somebody else have a container of a name.
func (r *rig) takeName(name string) (id string) {
	r.t.Helper()
	made, err := r.engine.ContainerCreate(r.t.Context(), &container.Config{Image: r.image}, nil, nil, nil, name)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = r.engine.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true})
	})
	return made.ID
}

// A name that another container has is found before anything stops.
func TestContainerNameThatIsTakenChangesNothing(t *testing.T) {
	r := newRig(t)
	const text = "services: {web: {image: IMAGE, command: [serve]}, db: {image: IMAGE, command: [serve]}}\n"
	r.mustApply(r.resolve(text))
	before := r.containers()
	name := r.name + "-taken"
	id := r.takeName(name)
	taken := r.resolve(strings.Replace(text, "db: {", "db: {container_name: "+name+", ", 1))
	found, err := r.NameProblems(t.Context(), taken)
	if err != nil || len(found) != 1 || !strings.Contains(found[0], "service db: container_name "+name) {
		t.Errorf("found %q, %v", found, err)
	}
	if _, err := r.apply(taken); err == nil || !strings.Contains(err.Error(), "container_name "+name) {
		t.Errorf("applied: %v", err)
	}
	r.same(before, "web-1", "db-1")
	// It is the project's own then, by any of its services.
	if err := r.removeContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.mustApply(taken)
	for _, p := range []string{strings.Replace(text, "web: {", "web: {container_name: "+name+", ", 1), strings.Replace(text, "db: {", "db: {container_name: "+name+", ", 1)} {
		if found, err := r.NameProblems(t.Context(), r.resolve(p)); err != nil || len(found) > 0 {
			t.Errorf("its own: %q, %v", found, err)
		}
	}
}

// A replacement that could not take its name in the end is no obstacle on the
// way back.
func TestLeftOverWhoseNameIsTakenIsReplaced(t *testing.T) {
	r := newRig(t)
	const text = "services: {db: {image: IMAGE, command: [serve], volumes: [/data]}}\n"
	good := r.resolve(text)
	r.mustApply(good)
	before, err := r.engine.ContainerInspect(t.Context(), r.containers()["db-1"].ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // inherited, and so no container's own any more
		items, _ := r.list(context.Background(), r.name)
		for _, c := range items {
			_ = r.removeContainer(context.Background(), c.ID)
		}
		_ = r.engine.VolumeRemove(context.Background(), before.Mounts[0].Name, true)
	})
	name := r.name + "-taken"
	r.takeName(name)
	// As Compose leaves it: made to replace the other, which is gone.
	library, err := r.library(&progress{log: newLines(&strings.Builder{})})
	if err != nil {
		t.Fatal(err)
	}
	want, err := wanted(r.resolve(strings.Replace(text, "db: {", "db: {container_name: "+name+", ", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Create(t.Context(), want, (&application{want: want}).createOptions()[0]); err == nil {
		t.Fatal("the name was not taken")
	}
	r.mustApply(good)
	now := r.containers()
	if len(now) != 1 || now["db-1"].State != "running" {
		t.Fatalf("%+v", now)
	}
	after, err := r.engine.ContainerInspect(t.Context(), now["db-1"].ID)
	if err != nil || len(after.Mounts) != 1 || after.Mounts[0].Name != before.Mounts[0].Name {
		t.Errorf("it mounts %+v, before %+v (%v)", after.Mounts, before.Mounts, err)
	}
}
