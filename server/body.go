package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

const (
	maxJSON   = 64 << 10 // of a call of the API, in bytes
	maxReason = 500      // runes
)

// decode reads the JSON of a call into v. No body at all is an empty object.
func (c *call) decode(v any) error {
	text, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, c.Request().Body, maxJSON))
	if err != nil {
		return bodyProblem(err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest("the body cannot be read: "+misread(err),
			"send one JSON object with the keys that /api/v1/openapi.yaml lists for this path")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body goes on after its JSON object", "send one object only")
	}
	return nil
}

// misread says what is wrong with JSON, without the names that Go has for it.
func misread(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field == "":
		return "it is a JSON " + wrong.Value + ", not an object"
	case errors.As(err, &wrong):
		return fmt.Sprintf("%s does not take a JSON %s", wrong.Field, wrong.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// reasoned is the body of calls that take nothing else.
type reasoned struct {
	Reason string `json:"reason"`
}

// decodeReason reads a body that gives no more than a reason.
func (c *call) decodeReason() error {
	var body reasoned
	if err := c.decode(&body); err != nil {
		return err
	}
	return c.because(body.Reason)
}

// because keeps the reason that a person gave.
func (c *call) because(reason string) error {
	reason = strings.TrimSpace(reason)
	if utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl) {
		return badRequest("reason is too long or has control characters", fmt.Sprintf("give one line of at most %d characters", maxReason))
	}
	c.reason = reason
	return nil
}

// bodyProblem says why a body did not arrive.
func bodyProblem(err error) *problem {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return tooLargeProblem(tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem{Status: http.StatusRequestTimeout, Detail: "the body did not arrive in time", Hint: "send it again over a faster connection"}
	}
	return badRequest("the body is shorter than announced, or broken", "send it again, whole")
}

func tooLargeProblem(limit int64) *problem {
	return &problem{Status: http.StatusRequestEntityTooLarge,
		Detail: fmt.Sprintf("the body is larger than %d bytes", limit), Hint: "send a smaller one"}
}

// unavailable asks the sender to come back: nothing is wrong with what it sent.
func unavailable(c echo.Context, detail, hint string) *problem {
	c.Response().Header().Set(echo.HeaderRetryAfter, "10")
	return &problem{Status: http.StatusServiceUnavailable, Detail: detail, Hint: hint}
}
