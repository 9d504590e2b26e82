package config

// The tables below are what the file's format has and this version does not do
// yet. It is refused by name, so that nobody believes in a freeze that does not
// freeze. To support one of them, delete its line.

var unsupportedServer = []struct {
	key, what, instead string
	used               func(c *Config) bool
}{
	{"oidc", "signing in through OIDC", "use tokens", func(c *Config) bool { return c.OIDC != nil }},
}

var unsupportedStack = []struct {
	key, what, instead string
	used               func(s *Stack) bool
}{
	{"target.swarm", "a Swarm as target", "use docker", func(s *Stack) bool { return s.Target.Swarm != "" }},
	{"target.hosts", "several hosts as target", "write one stack for each host, with docker", func(s *Stack) bool { return len(s.Target.Hosts) > 0 }},
	{"reconcile", "healing of drift", "write report or take it out", func(s *Stack) bool { return s.Reconcile == ReconcileHeal }},
}

func refuseUnsupported(doc *document, c *Config) {
	for _, u := range unsupportedServer {
		if u.used(c) {
			refuse(doc, u.key, u.what, u.instead)
		}
	}
	for name, s := range c.Stacks {
		path := join("stacks", name)
		for _, u := range unsupportedStack {
			if !u.used(s) {
				continue
			}
			at := path
			if u.key != "" {
				at += "." + u.key
			}
			refuse(doc, at, u.what, u.instead)
		}
	}
}

func refuse(doc *document, path, what, instead string) {
	doc.fail(path, instead, "not supported by this version yet: %s", what)
}
