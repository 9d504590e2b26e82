package project

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func TestHoldKeepsOneServiceAsItIsNow(t *testing.T) {
	make := func(image, mount string) *Project {
		service := types.ServiceConfig{}
		service.Image = image
		return &Project{
			Compose: &types.Project{
				Services: types.Services{"db": service, "web": service},
				Networks: types.Networks{image: {Name: image}},
			},
			Mounts: []Mount{{Service: "db", Host: mount}, {Service: "web", Host: mount}},
			Images: map[string]Image{"db": {ID: image}, "web": {ID: image}},
		}
	}
	back, now := make("old", "/old"), make("new", "/new")
	back.Hold(now, []string{"db", "gone"})
	if db, web := back.Compose.Services["db"].Image, back.Compose.Services["web"].Image; db != "new" || web != "old" {
		t.Fatalf("db runs %s and web %s", db, web)
	}
	for _, m := range back.Mounts {
		if (m.Service == "db") != (m.Host == "/new") {
			t.Errorf("%s mounts %s", m.Service, m.Host)
		}
	}
	if len(back.Compose.Networks) != 2 || back.Images["db"].ID != "new" || back.Images["web"].ID != "old" {
		t.Fatalf("networks %v, images %v", back.Compose.Networks, back.Images)
	}
}
