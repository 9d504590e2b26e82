package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"deployer/state"
	"deployer/webhook"
)

// A Hook is how a repository's deliveries are signed. The route alone chooses
// it: nothing in a payload does.
type Hook struct {
	Provider webhook.Provider
	Secrets  func() ([][]byte, error) // asked at each delivery; several while one is being rotated
}

type accepted struct {
	Runs    []acceptedRun    `json:"runs"`
	Reviews []acceptedReview `json:"reviews"`
}

type acceptedRun struct {
	ID     string          `json:"id"`
	Stack  string          `json:"stack"`
	Status state.RunStatus `json:"status"`
}

type acceptedReview struct {
	ID    string `json:"id"`
	Stack string `json:"stack"`
}

type ignored struct {
	Ignored string `json:"ignored"`
}

// takeDelivery verifies a webhook, hands on what it says and answers once that
// is on disk.
func (s *Server) takeDelivery(c *call) error {
	repository := c.name("repository")
	hook, ok := c.access.Hooks[repository]
	if !ok {
		return notFound("no repository of that name takes webhooks",
			"end the webhook's URL in /hooks/ and the repository's name in deployer.yaml")
	}
	secrets, err := hook.Secrets()
	if err != nil {
		s.Log.Error("a webhook's secret cannot be read", "repository", repository, "error", err)
		return unavailable(c, "the delivery cannot be checked now", "it can be sent again in a moment")
	}
	events, err := s.readDelivery(c, hook, secrets)
	if errors.Is(err, webhook.ErrUnsignedPing) {
		return c.JSON(http.StatusOK, ignored{webhook.ErrUnsignedPing.Error()})
	}
	if err != nil {
		s.Log.Debug("a delivery was refused", "repository", repository, "remote", c.RealIP(), "error", err)
		return err
	}
	receipt, err := s.Intake.Accept(c.Request().Context(), repository, events)
	if err != nil {
		s.Log.Error("a delivery was not stored", "repository", repository, "error", err)
		return unavailable(c, "the delivery was not stored", "it can be sent again in a moment")
	}
	if len(receipt.Runs)+len(receipt.Reviews) == 0 && !receipt.Pending {
		return c.JSON(http.StatusOK, ignored{orDefault(receipt.Ignored, "no stack is concerned")})
	}
	return c.JSON(http.StatusAccepted, acceptedOf(receipt))
}

// readDelivery returns what a delivery says. Its body is in a buffer that is
// used again afterwards, so it is all read by then.
func (s *Server) readDelivery(c *call, hook Hook, secrets [][]byte) ([]state.Event, error) {
	body := bodies.Get().(*deliveryBody)
	defer body.free()
	if err := s.readBody(c, body); err != nil {
		return nil, err
	}
	return s.open(hook.Provider, webhook.Request{
		Header:     c.Request().Header,
		Body:       body.Bytes(),
		ReceivedAt: s.Now().UTC(),
	}, secrets)
}

// open verifies a delivery before it is parsed. A parser that panics has met
// input that it does not know: the delivery is refused, the server goes on.
func (s *Server) open(p webhook.Provider, r webhook.Request, secrets [][]byte) (events []state.Event, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			s.Log.Error("reading a delivery panicked", "cause", cause, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: it cannot be read", webhook.ErrMalformed)
		}
	}()
	if err := p.Verify(r, secrets); err != nil {
		return nil, asRefusal(err, webhook.ErrBadSignature)
	}
	events, err = p.Parse(r)
	return events, asRefusal(err, webhook.ErrMalformed)
}

// asRefusal makes sure that what a provider fails with is the sender's to put
// right, also where it is of no kind that is known.
func asRefusal(err, otherwise error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{webhook.ErrUnsigned, webhook.ErrBadSignature, webhook.ErrMediaType, webhook.ErrMalformed, webhook.ErrUnsignedPing} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", otherwise, err)
}

func acceptedOf(r state.Receipt) accepted {
	out := accepted{Runs: make([]acceptedRun, len(r.Runs)), Reviews: make([]acceptedReview, len(r.Reviews))}
	for i, run := range r.Runs {
		out.Runs[i] = acceptedRun{run.ID, run.Stack, run.Status}
	}
	for i, run := range r.Reviews {
		out.Reviews[i] = acceptedReview{run.ID, run.Stack}
	}
	return out
}
