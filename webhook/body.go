package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

// document returns the JSON text of a delivery, decoded where a form carries
// it in its payload field.
func document(r Request) ([]byte, error) {
	switch mediaType(r) {
	case typeJSON:
		return r.Body, nil
	case typeForm:
		return formPayload(string(r.Body))
	}
	return nil, fmt.Errorf("%w %.80q: set the webhook to %s or %s",
		ErrMediaType, r.Header.Get("Content-Type"), typeJSON, typeForm)
}

func mediaType(r Request) string {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}

// formPayload finds the one field that matters without keeping the others:
// Gitea's signature is over the decoded field, so this runs on bodies that
// nobody has vouched for yet.
func formPayload(body string) ([]byte, error) {
	for pair := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name != "payload" {
			continue
		}
		payload, err := url.QueryUnescape(value)
		if err != nil {
			return nil, fmt.Errorf("%w: the form's payload field: %v", ErrMalformed, err)
		}
		return []byte(payload), nil
	}
	return nil, fmt.Errorf("%w: the form has no payload field", ErrMalformed)
}

// decode reads the delivery's JSON into v.
func decode(r Request, v any) error {
	text, err := document(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(readBy(v).reduce(text), v); err != nil {
		return fmt.Errorf("%w: %s", ErrMalformed, misread(err))
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
		return fmt.Sprintf("%s cannot be a JSON %s", wrong.Field, wrong.Value)
	}
	return err.Error()
}
