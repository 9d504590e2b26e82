package config

import (
	"net"
	"net/url"
	"strconv"
)

// A TLS is the certificate that the server presents.
type TLS struct {
	CertFile File        `yaml:"cert_file"` // PEM, with the intermediates
	KeyFile  PrivateFile `yaml:"key_file"`
}

// A Decryption says what the server decrypts env files with, besides what SOPS
// finds by itself.
type Decryption struct {
	AgeKeyFiles []PrivateFile `yaml:"age_key_files"`
}

// maxWorkers is more than one Engine can use.
const maxWorkers = 128

func (c *Config) validateServer(doc *document) {
	validateListen(doc, "listen", c.Listen)
	if c.MetricsListen != "" {
		validateListen(doc, "metrics_listen", c.MetricsListen)
		if c.MetricsListen == c.Listen {
			doc.fail("metrics_listen", "leave it out: /metrics is served there too, to viewers", "listen has this address already")
		}
	}
	if c.TLS != nil {
		doc.require("tls", "cert_file", "TLS needs a certificate and its key")
		doc.require("tls", "key_file", "TLS needs a certificate and its key")
	}
	if c.Workers < 1 || c.Workers > maxWorkers {
		doc.fail("workers", "4 suits most machines", "%d is not between 1 and %d", c.Workers, maxWorkers)
	}
	if c.URL != "" {
		validateWebURL(doc, "url", c.URL)
	}
	if c.Data == "" {
		doc.fail("data", "leave it out for /var/lib/deployer", "this is empty")
	}
}

func validateListen(doc *document, path, address string) {
	_, port, err := net.SplitHostPort(address)
	if err != nil || !isPort(port) {
		doc.fail(path, "write host:port, such as 127.0.0.1:8484", "%q is not an address to listen on", address)
	}
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// validateWebURL accepts what a person could click on.
func validateWebURL(doc *document, path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		doc.fail(path, "write it with its scheme, such as https://deploy.example.com", "this is not an http or https URL")
	case u.User != nil:
		doc.fail(path, "take the credentials out", "this URL holds credentials")
	case u.RawQuery != "" || u.Fragment != "":
		doc.fail(path, "end it with the path", "this URL has a query or a fragment")
	}
}
