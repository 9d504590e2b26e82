package policy

import "github.com/compose-spec/compose-go/v2/types"

// devices judges what a container gets of the host's hardware.
func (j *judge) devices(subject string, c *types.ContainerSpec) {
	for _, d := range c.Devices {
		j.find(finding{rule: "device", from: baseline, parameter: d.Source, subject: subject, what: "devices: " + d.Source,
			why: "a device of the host can be its disk or its memory", remedy: "take it out"})
	}
	for _, r := range c.DeviceCgroupRules {
		j.find(finding{rule: "device", from: baseline, subject: subject, what: "device_cgroup_rules: " + r,
			why: "the container may make the device itself, and a device of the host can be its disk", remedy: "take it out"})
	}
	j.requested(subject, "gpus:", c.Gpus)
}

// reserved judges the devices that deploy.resources asks for.
func (j *judge) reserved(subject string, d *types.DeployConfig) {
	if d != nil && d.Resources.Reservations != nil {
		j.requested(subject, "deploy.resources.reservations.devices:", d.Resources.Reservations.Devices)
	}
}

// requested judges devices that a driver of the Engine gives. What CDI gives
// by name is what devices: gives by the same name.
func (j *judge) requested(subject, key string, requests []types.DeviceRequest) {
	for _, r := range requests {
		if r.Driver != "cdi" {
			j.find(finding{rule: "gpu", from: strict, subject: subject, what: key,
				why: "the container gets hardware of the host", remedy: "take it out"})
			continue
		}
		for _, id := range r.IDs {
			j.find(finding{rule: "device", from: baseline, parameter: id, subject: subject, what: key + " " + id,
				why: "what CDI gives can be any device or folder of the host", remedy: "take it out"})
		}
	}
}
