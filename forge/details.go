package forge

import (
	"cmp"
	"fmt"
	"strings"

	"deployer/state"
)

// details are what a reviewer may want to see, folded.
func (b *writer) details(c *state.Changes) {
	var images, ports, volumes, networks, values, files, pipeline, checks []string
	for _, i := range c.Images {
		images = append(images, fmt.Sprintf("| %s | %s | %s |", coded(i.Service), imageOf(i.Old, i.OldDigest), imageOf(i.New, i.NewDigest)))
	}
	b.fold("Images", images, "| service | old | new |\n|---|---|---|")
	for _, p := range c.Ports {
		mark, what := "", "closed"
		if p.Kind == state.ChangeAdded {
			mark, what = red, "opened"
		}
		ports = append(ports, fmt.Sprintf("- %s%s of %s: %s", mark, coded(p.Port), coded(p.Service), what))
	}
	b.fold("Ports", ports, "")
	for _, v := range c.Volumes {
		volumes = append(volumes, namedLine(v))
	}
	b.fold("Volumes", volumes, "")
	for _, n := range c.Networks {
		networks = append(networks, namedLine(n))
	}
	b.fold("Networks", networks, "")
	for _, v := range c.Values {
		row := fmt.Sprintf("| %s | %s | %s | %s |", coded(v.Name), v.Kind, valueOf(v.Old), valueOf(v.New))
		values = append(values, row)
	}
	for _, p := range c.Passed {
		values = append(values, fmt.Sprintf("| %s | %s | for %s | |", coded(p.Name), p.Kind, coded(p.Service)))
	}
	for _, s := range c.Secrets {
		values = append(values, fmt.Sprintf("| %s | %s | *secret* | *secret* |", coded(s.Name), s.Kind))
	}
	b.fold("Environment", values, "| variable | | old | new |\n|---|---|---|---|")
	for _, f := range c.Files {
		files = append(files, namedLine(f))
	}
	b.fold("Mounted files", files, "")
	for _, l := range c.Pipeline {
		sign := map[state.ChangeKind]string{state.ChangeAdded: "+", state.ChangeRemoved: "−"}[l.Kind]
		pipeline = append(pipeline, fmt.Sprintf("- %s %s", sign, coded(l.Text)))
	}
	b.fold("pipeline.yaml", pipeline, "")
	for _, s := range c.Checks {
		checks = append(checks, fmt.Sprintf("| %s | %s | %s |", coded(s.Name), s.Status, plain(firstLine(s.Message))))
	}
	b.fold("Checks before a deploy", checks, "| check | | evidence |\n|---|---|---|")
}

// fold adds a part that is closed at first. A table has a head.
func (b *writer) fold(title string, rows []string, head string) {
	if len(rows) == 0 {
		return
	}
	if head != "" {
		head += "\n"
	}
	b.line("\n<details><summary>%s (%d)</summary>\n\n%s%s\n\n</details>", title, len(rows), head, strings.Join(atMost(rows, 100), "\n"))
}

func namedLine(n state.NamedChange) string {
	mark, why := "", ""
	if n.Dangerous {
		mark = red
	}
	if n.Why != "" {
		why = ": " + plain(n.Why)
	}
	return fmt.Sprintf("- %s%s %s%s", mark, coded(n.Name), n.Kind, why)
}

func imageOf(ref, digest string) string {
	if ref == "" {
		return "none"
	}
	if digest == "" {
		return coded(ref) + ", not on the Engine yet"
	}
	return coded(ref) + " " + coded(shortID(strings.TrimPrefix(digest, "sha256:")))
}

func valueOf(v string) string { return cmp.Or(shown(v), "–") }

func shown(v string) string {
	if v == "" {
		return ""
	}
	return coded(v)
}
