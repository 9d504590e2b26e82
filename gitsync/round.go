package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// A round is one conversation with the remote: it says where the branches
// are, and is then asked for packs. go-git's Remote would ask for the branches
// again at each fetch, and decides by itself what it offers.
type round struct {
	m       *Mirror
	remote  Remote // the same for the whole conversation
	ctx     context.Context
	dog     *watchdog
	login   login
	branch  string // empty: the round is about a commit
	session transport.UploadPackSession
	refs    *packp.AdvRefs
	used    bool // the session has sent its pack
	tip     plumbing.Hash
}

// connect asks the remote where the branch is. The caller closes the round.
func (m *Mirror) connect(ctx context.Context, branch string) (*round, error) {
	if err := validBranch(branch); err != nil {
		return nil, err
	}
	return m.talk(ctx, branch)
}

func (m *Mirror) talk(ctx context.Context, branch string) (*round, error) {
	r := &round{m: m, remote: *m.remote.Load(), branch: branch}
	r.ctx, r.dog = watch(ctx, m.limits.stall)
	if err := r.open(); err != nil {
		err = r.explain(err)
		r.close()
		return nil, err
	}
	return r, nil
}

// open starts a session and reads the list of branches.
func (r *round) open() (err error) {
	if r.login, err = r.remote.login(); err != nil {
		return err
	}
	r.dog.feed()
	defer r.dog.rest()
	switch r.login.endpoint.Protocol {
	case "ssh":
		r.session, err = newSSHSession(r.ctx, r.remote, r.login)
	case "file":
		r.session, err = localSession(r.login)
	default:
		r.session, err = r.m.web.session(r.remote, r.login)
	}
	if err != nil {
		r.session = nil
		return err
	}
	if r.refs, err = r.session.AdvertisedReferencesContext(r.ctx); err != nil {
		return err
	}
	r.used = false
	if r.branch == "" {
		return nil
	}
	var ok bool
	if r.tip, ok = r.refs.References[refHeads+r.branch]; !ok {
		text := fmt.Sprintf("%s has no branch %q", r.remote.Address(), r.branch)
		return &opError{text: text, hint: "push it, or correct the stack's branch", kinds: []error{ErrBranchNotFound}}
	}
	return nil
}

func (r *round) close() {
	if r.session != nil {
		_ = r.session.Close()
		r.session = nil
	}
	r.dog.stop()
}

func (r *round) explain(err error) error { return r.remote.explain(r.ctx, r.login, err) }

// A demand is what a pack is asked for.
type demand struct {
	want   plumbing.Hash
	also   []plumbing.Hash // wanted as well
	haves  []plumbing.Hash
	depth  int // 0: all history that the haves do not end
	filter packp.Filter
}

// pull asks for a pack and writes it into the folder, without making it part
// of a store yet. It returns where the history in it ends.
func (r *round) pull(dir string, d demand) (*incoming, []plumbing.Hash, error) {
	if r.used && r.login.endpoint.Protocol != "http" && r.login.endpoint.Protocol != "https" {
		_ = r.session.Close()
		tip := r.tip
		if err := r.open(); err != nil {
			return nil, nil, err
		}
		r.tip = tip // the whole round is about one commit
	}
	r.used = true
	r.dog.feed()
	defer r.dog.rest()

	req := r.request(d)
	res, err := r.session.UploadPack(r.ctx, req)
	if errors.Is(err, transport.ErrEmptyUploadPackRequest) {
		return &incoming{}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	in, err := receivePack(dir, r.demux(req, res), r.m.limits.pack)
	if err != nil {
		err = r.explain(err)
		r.abandon(res)
		return nil, nil, err
	}
	return in, res.Shallows, res.Close()
}

// abandon ends the conversation in the middle of a pack. A git process that is
// still writing would be waited for forever: go-git kills it when a read fails
// because the context has ended, which is after what it has buffered.
func (r *round) abandon(res io.Reader) {
	r.dog.stop()
	_, _ = io.Copy(io.Discard, res)
}

// request builds the upload-pack request from what the server offers.
func (r *round) request(d demand) *packp.UploadPackRequest {
	caps := r.refs.Capabilities
	req := packp.NewUploadPackRequestFromCapabilities(caps)
	req.Wants, req.Haves = append([]plumbing.Hash{d.want}, d.also...), d.haves
	if caps.Supports(capability.NoProgress) {
		_ = req.Capabilities.Set(capability.NoProgress)
	}
	if d.depth > 0 && caps.Supports(capability.Shallow) {
		_ = req.Capabilities.Set(capability.Shallow)
		req.Depth = packp.DepthCommits(d.depth)
	}
	if d.filter != "" {
		_ = req.Capabilities.Set(capability.Filter)
		req.Filter = d.filter
	}
	if needsMultiACK(r.login.endpoint.Host) {
		_ = req.Capabilities.Set(capability.MultiACK)
	}
	return req
}

// needsMultiACK: Azure DevOps answers only clients that say they can do
// multi_ack, which go-git hides. With few haves, all of them sent at once, the
// answers can be read all the same.
func needsMultiACK(host string) bool {
	return strings.HasSuffix(host, "dev.azure.com") || strings.HasSuffix(host, ".visualstudio.com")
}

// demux returns the pack in the response, and feeds the watchdog as it comes.
func (r *round) demux(req *packp.UploadPackRequest, res io.Reader) io.Reader {
	res = &fedReader{res, r.dog}
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, res)
	case req.Capabilities.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, res)
	}
	return res
}

type fedReader struct {
	io.Reader
	dog *watchdog
}

func (f *fedReader) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil {
		f.dog.rest() // what follows is this machine's work
	} else {
		f.dog.feed()
	}
	return n, err
}
