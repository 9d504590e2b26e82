package webhook

import "deployer/state"

// forgejo reads the deliveries of Forgejo, which also bear the headers of
// Gitea, Gogs and GitHub.
type forgejo struct{}

// Verify checks the JSON text: Forgejo signs it before it goes into a form.
// Without a secret on its side Forgejo sends the header empty.
func (forgejo) Verify(r Request, secrets [][]byte) error {
	signed, err := document(r)
	if err != nil {
		return err
	}
	return verifyHMAC(r, "X-Forgejo-Signature", "", signed, secrets)
}

func (forgejo) Parse(r Request) ([]state.Event, error) {
	return parseGiteaLike(r, "forgejo", "X-Forgejo-Event", "X-Forgejo-Delivery")
}
