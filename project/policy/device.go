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
	if len(c.Gpus) > 0 {
		j.gpu(subject, "gpus:")
	}
}

// reserved judges the devices that deploy.resources asks for.
func (j *judge) reserved(subject string, d *types.DeployConfig) {
	if d != nil && d.Resources.Reservations != nil && len(d.Resources.Reservations.Devices) > 0 {
		j.gpu(subject, "deploy.resources.reservations.devices:")
	}
}

func (j *judge) gpu(subject, what string) {
	j.find(finding{rule: "gpu", from: strict, subject: subject, what: what,
		why: "the container gets hardware of the host", remedy: "take it out"})
}
