package forge

import (
	"fmt"
	"slices"
	"strings"

	"deployer/state"
)

// Comment says in Markdown what the reviews of a pull request have found, or
// how the deploys of what was merged ended. The marker, which begins the body
// and does not show, tells this server's comment from others. The url is that
// of deployer's page; empty for none. Where no review has anything to say there
// is no body. Nothing that users wrote can mention anybody, or be read as
// Markdown or HTML.
func Comment(url string, runs ...*state.Run) (marker, body string) {
	marker = "<!-- deployer -->"
	if _, address, ok := strings.Cut(url, "://"); ok {
		marker = fmt.Sprintf("<!-- deployer/%s -->", markerSafe(strings.TrimRight(address, "/")))
	}
	room := maxComment - len(marker) - 1
	shown, dropped := speaking(runs)
	switch {
	case len(shown) > 1:
		body = several(url, shown, room)
	case len(shown) == 1:
		body = "### deployer: " + titleOf(shown[0]) + "\n\n" + section(shown[0], url, room-maxRow)
	case dropped:
		body = "### deployer\n\nThis pull request changes no stack any more.\n"
	default:
		return marker, ""
	}
	return marker, marker + "\n" + body
}

// speaking are the reviews that say something, by stack: one that another one
// stands for does not.
func speaking(runs []*state.Run) (shown []*state.Run, dropped bool) {
	for _, run := range runs {
		switch {
		case !speaks(run):
		case run.Review.Ended == state.EndedDropped:
			dropped = true
		default:
			shown = append(shown, run)
		}
	}
	slices.SortFunc(shown, func(a, b *state.Run) int { return strings.Compare(a.Stack, b.Stack) })
	return shown, dropped
}

func speaks(run *state.Run) bool {
	return run.Review != nil && run.Status != state.RunSuperseded && (run.Status != state.RunCanceled || run.Review.Ended != "")
}

// several begins with a table of all stacks. What it says of one that nothing
// becomes of is enough.
func several(url string, runs []*state.Run, room int) string {
	var out strings.Builder
	fmt.Fprintf(&out, "### deployer: %d stacks\n\n| stack | |\n|---|---|\n", len(runs))
	var more []*state.Run
	for i, run := range runs {
		if out.Len() > room/2 {
			fmt.Fprintf(&out, "| … | and %d more |\n", len(runs)-i)
			break
		}
		fmt.Fprintf(&out, "| %s | %s |\n", titleOf(run), strings.TrimSpace(headline(run)))
		if run.Changes != nil || run.Status == state.RunFailed {
			more = append(more, run)
		}
	}
	for i, run := range more {
		title := fmt.Sprintf("\n#### %s\n\n", titleOf(run))
		share := (room-out.Len())/(len(more)-i) - len(title)
		if share < 2*maxRow {
			out.WriteString("\n… there is more than a comment can hold: see the runs.\n")
			break
		}
		out.WriteString(title + section(run, url, share))
	}
	return out.String()
}

// pageOf is where a run is on deployer's own page; empty where it has none.
func pageOf(url string, run *state.Run) string {
	if url == "" {
		return ""
	}
	return strings.TrimRight(url, "/") + "/runs/" + run.ID
}

// titleOf is the stack, and its environment where it has one.
func titleOf(run *state.Run) string { return plain(run.Stack) + environmentOf(run) }
