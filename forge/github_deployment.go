package forge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

const githubTask = "deploy:deployer"

// SetDeployment says where a commit's deployment to an environment stands, and
// makes the deployment where there is none. A repository whose token may not
// is left alone: the status of the commit says it all.
func (g *github) SetDeployment(ctx context.Context, d Deployment) error {
	id, err := g.deploymentOf(ctx, d)
	if err == nil {
		body := map[string]any{"state": githubState(d), "description": cut(oneLine(d.Description), githubDescription), "auto_inactive": true}
		if d.URL != "" {
			body["log_url"], body["environment_url"] = d.URL, d.URL
		}
		_, err = g.call(ctx, "set the deployment of "+d.Environment, http.MethodPost, fmt.Sprintf("%s/deployments/%d/statuses", g.repo, id), body, nil)
	}
	if isRefusal(err, http.StatusForbidden, http.StatusNotFound) {
		return nil
	}
	return err
}

func githubState(d Deployment) string {
	switch {
	case d.State == Success:
		return "success"
	case d.State == Failure:
		return "failure"
	case d.Running:
		return "in_progress"
	}
	return "queued"
}

// deploymentOf returns the newest deployment of the commit to the environment.
func (g *github) deploymentOf(ctx context.Context, d Deployment) (id int64, err error) {
	var list []struct {
		ID int64 `json:"id"`
	}
	query := url.Values{"sha": {d.Commit}, "environment": {d.Environment}, "task": {githubTask}, "per_page": {"1"}}
	if _, err := g.call(ctx, "look for the deployment", http.MethodGet, g.repo+"/deployments?"+query.Encode(), nil, &list); err != nil {
		return 0, err
	}
	if len(list) > 0 {
		return list[0].ID, nil
	}
	var made struct {
		ID int64 `json:"id"`
	}
	_, err = g.call(ctx, "make a deployment", http.MethodPost, g.repo+"/deployments", map[string]any{
		"ref": d.Commit, "environment": d.Environment, "task": githubTask, "description": "by deployer",
		"auto_merge": false, "required_contexts": []string{}, // it has been decided already
	}, &made)
	return made.ID, err
}
