package webhook

import (
	"encoding/json"
	"fmt"
	"testing"
)

// pushOf makes a GitHub push from commitA to commitC of n commits with one file each.
func pushOf(n int) map[string]any {
	commits := make([]map[string]any, n)
	for i := range commits {
		commits[i] = map[string]any{"id": fmt.Sprintf("%040x", i+1), "added": []string{fmt.Sprintf("file%02d", i)}}
	}
	if n > 0 {
		commits[n-1]["id"] = commitC
	}
	return map[string]any{"ref": "refs/heads/main", "before": commitA, "after": commitC, "commits": commits}
}

func TestPathsAreCompleteOnlyWhereTheListProvesIt(t *testing.T) {
	files := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("f%d", i)
		}
		return out
	}
	firstCommit := func(p map[string]any) map[string]any { return p["commits"].([]map[string]any)[0] }
	tests := map[string]struct {
		commits int
		change  func(p map[string]any)
		want    bool
	}{
		"one commit":                     {commits: 1, want: true},
		"nineteen commits":               {commits: 19, want: true},
		"as many as a forge may cut at":  {commits: 20},
		"twenty, and the size says so":   {commits: 20, want: true, change: func(p map[string]any) { p["size"] = 20 }},
		"size is larger than the list":   {commits: 3, change: func(p map[string]any) { p["size"] = 4 }},
		"no commit listed":               {commits: 0},
		"forced":                         {commits: 2, change: func(p map[string]any) { p["forced"] = true }},
		"new branch":                     {commits: 2, change: func(p map[string]any) { p["before"] = zeros }},
		"list ends elsewhere":            {commits: 2, change: func(p map[string]any) { p["after"] = commitB }},
		"a commit without files":         {commits: 2, change: func(p map[string]any) { delete(firstCommit(p), "added") }},
		"a commit with too many to list": {commits: 2, change: func(p map[string]any) { firstCommit(p)["added"] = files(300) }},
		"more than an event carries": {commits: 30, change: func(p map[string]any) {
			p["size"] = 30
			for _, c := range p["commits"].([]map[string]any) {
				c["added"] = files(299)
			}
		}},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			p := pushOf(tt.commits)
			if tt.change != nil {
				tt.change(p)
			}
			body, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			e := parseOne(t, provider(t, "github"), request(string(body), "X-GitHub-Event", "push"))
			if e.PathsComplete != tt.want {
				t.Errorf("PathsComplete = %v, want %v", e.PathsComplete, tt.want)
			}
			if len(e.Paths) > maxPaths {
				t.Errorf("%d paths", len(e.Paths))
			}
		})
	}
}
