package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"deployer/state"
)

// An apiClient talks to a server's API.
type apiClient struct {
	base  string
	token string
	http  *http.Client
}

// serverFlags adds the flags that name a server, and returns how to reach it.
func serverFlags(cmd *cobra.Command) func() (*apiClient, error) {
	server := cmd.Flags().String("server", os.Getenv("DEPLOYER_URL"), "address of the server (DEPLOYER_URL)")
	token := cmd.Flags().String("token", "", "API token (DEPLOYER_TOKEN)")
	return func() (*apiClient, error) {
		if *token == "" {
			*token = os.Getenv("DEPLOYER_TOKEN")
		}
		if *server == "" {
			*server = "http://127.0.0.1:8484"
		}
		u, err := url.Parse(*server)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, usageError("--server %q is no address: write it as https://deploy.example.com", *server)
		}
		if *token == "" {
			return nil, usageError("no token: set DEPLOYER_TOKEN or --token (`deployer token` makes one)")
		}
		return &apiClient{base: strings.TrimSuffix(*server, "/"), token: *token, http: &http.Client{}}, nil
	}
}

// A problem is the API's answer to what it did not do.
type problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
	Status int    `json:"status"`
}

func (p *problem) Error() string {
	text := p.Title
	if p.Detail != "" {
		text = p.Detail
	}
	if p.Hint != "" {
		text += "; " + p.Hint
	}
	return text
}

func (c *apiClient) request(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("X-Deployer-Client", "cli")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach the server: %w; %s", err, unreachedHint(err))
	}
	if res.StatusCode >= 400 {
		defer res.Body.Close()
		return nil, c.refusal(res)
	}
	return res, nil
}

// unreachedHint says what to do where no answer came.
func unreachedHint(err error) string {
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return "where the certificate is right and its authority is your own, name that: export SSL_CERT_FILE=ca.pem"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it does not speak HTTPS there: write http://, or put a proxy with HTTPS in front"
	}
	return "is --server right, and does it run?"
}

// refusal reads the answer to what was not done. A parameter or a body that
// the API does not take was asked for wrongly.
func (c *apiClient) refusal(res *http.Response) error {
	p := &problem{Status: res.StatusCode}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") {
		p.Title = res.Status
		_ = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(p)
	} else {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		p.Title = fmt.Sprintf("%s answered %s", c.base, res.Status)
		if line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n"); line != "" && !strings.HasPrefix(line, "<") {
			p.Title += ": " + line
		}
		p.Hint = "that is not deployer's answer: is --server right, and what is in front of it?"
	}
	switch res.StatusCode {
	case http.StatusBadRequest:
		return exitError{exitUsage, p}
	case http.StatusNotFound:
		return c.unknown(res, p)
	}
	return p
}

// do sends in and reads the answer into out, where they are not nil.
func (c *apiClient) do(ctx context.Context, method, path string, in, out any) error {
	res, err := c.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("read the answer of %s to %s %s: %w; is --server right, and what is in front of it?", c.base, method, path, err)
	}
	return nil
}

func stackPath(stack string, more ...string) string {
	return "/api/v1/stacks/" + url.PathEscape(stack) + strings.Join(more, "")
}

// follow writes a run's log as it grows, through lost connections, and
// returns the run when it is over.
func (c *apiClient) follow(ctx context.Context, id string, out io.Writer) (*state.Run, error) {
	last := ""
	for failures := 0; ; {
		ended, err := c.stream(ctx, id, &last, out)
		if ended {
			break
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var p *problem
		if errors.As(err, &p) && p.Status < 500 {
			return nil, err
		}
		if failures++; failures > 60 {
			return nil, fmt.Errorf("follow run %s: %w; it goes on without you: `deployer logs %s`", id, err, id)
		}
		time.Sleep(time.Second)
	}
	run := new(state.Run)
	return run, c.do(ctx, http.MethodGet, "/api/v1/runs/"+url.PathEscape(id), nil, run)
}

// stream reads the event stream of a log from the event after *last on.
func (c *apiClient) stream(ctx context.Context, id string, last *string, out io.Writer) (ended bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/v1/runs/"+url.PathEscape(id)+"/log", nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "text/event-stream")
	if *last != "" {
		req.Header.Set("Last-Event-ID", *last)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return false, c.refusal(res)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	event, offset := "", ""
	var data []string
	for lines.Scan() {
		field, value, comment := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			event = value
		case "id":
			offset = value
		case "data":
			data = append(data, value)
		case "": // an event is whole with the empty line behind it
			if comment {
				continue
			}
			if event == "end" {
				return true, nil
			}
			if _, err := io.WriteString(out, strings.Join(data, "\n")); err != nil {
				return false, err
			}
			event, data, *last = "", nil, cmp.Or(offset, *last)
		}
	}
	return false, errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}
