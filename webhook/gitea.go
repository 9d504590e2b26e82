package webhook

import "deployer/state"

// gitea reads the deliveries of Gitea.
type gitea struct{}

// Verify checks the JSON text: Gitea signs it before it goes into a form.
// Without a secret on its side Gitea sends the header empty.
func (gitea) Verify(r Request, secrets [][]byte) error {
	signed, err := document(r)
	if err != nil {
		return err
	}
	return verifyHMAC(r, "X-Gitea-Signature", "", signed, secrets)
}

func (gitea) Parse(r Request) ([]state.Event, error) {
	return parseGiteaLike(r, "gitea", "X-Gitea-Event", "X-Gitea-Delivery")
}

// parseGiteaPush never calls the paths complete: Gitea does not say whether a
// push was forced and lists only its newest commits.
func parseGiteaPush(r Request, e state.Event) ([]state.Event, error) {
	var p push
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	e, err := p.event(e)
	if err != nil {
		return nil, err
	}
	e.Paths, _ = p.paths(e)
	return []state.Event{e}, nil
}
