package config

import "regexp"

// A Registry holds the credentials for one registry.
type Registry struct {
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
}

var registryRule = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

func (r Registry) validate(doc *document, path, host string) {
	if !registryRule.MatchString(host) {
		doc.fail(path, "write host or host:port, such as registry.example.com; docker.io is Docker Hub", "%q is not a registry's host", host)
	}
	doc.require(path, "username", "a registry's credentials are a username and a password")
	if !r.Password.given {
		doc.fail(path, "give password, password_file or password_env", "password is missing")
	}
}
