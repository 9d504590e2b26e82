package server

type restartRequest struct {
	Service string `json:"service"`
	Reason  string `json:"reason"`
}

// adopt takes a project over that somebody started by hand.
func (s *Server) adopt(c *call) error {
	stack, err := s.stackOf(c)
	if err != nil {
		return err
	}
	if err := c.decodeReason(); err != nil {
		return err
	}
	run, err := s.Control.Adopt(c.Request().Context(), stack, c.by())
	return s.answerNewRun(c, run, err)
}

func (s *Server) restart(c *call) error {
	stack, err := s.stackOf(c)
	if err != nil {
		return err
	}
	var body restartRequest
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := c.because(body.Reason); err != nil {
		return err
	}
	if body.Service != "" && !nameRule.MatchString(body.Service) {
		return badRequest("service is not a name", "give the name of a service, or leave it out for all")
	}
	run, err := s.Control.Restart(c.Request().Context(), stack, body.Service, c.by())
	return s.answerNewRun(c, run, err)
}

func (s *Server) remove(c *call) error {
	stack, err := s.stackOf(c)
	if err != nil {
		return err
	}
	if err := c.decodeReason(); err != nil {
		return err
	}
	run, err := s.Control.Remove(c.Request().Context(), stack, c.by())
	return s.answerNewRun(c, run, err)
}
