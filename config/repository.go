package config

import "time"

// A Repository is a config repo, with what deployer needs to fetch from it and
// to hear of its pushes.
type Repository struct {
	Name    string        `yaml:"-"`
	URL     string        `yaml:"url"` // https, http, ssh, file, or git@host:path
	CAFile  File          `yaml:"ca_file"`
	Auth    *Auth         `yaml:"auth"`    // nil: anonymous, or what SSH finds by itself
	Webhook *Webhook      `yaml:"webhook"` // nil: none is taken
	Forge   *Forge        `yaml:"forge"`
	Poll    time.Duration `yaml:"poll"` // 0: off

	Submodules Submodules `yaml:"submodules"`
}

// An Auth is how deployer signs in to fetch: with a password or a token over
// HTTP, or with a key over SSH.
type Auth struct {
	Username       string      `yaml:"username"`
	Password       Secret      `yaml:"password"`
	SSHKeyFile     PrivateFile `yaml:"ssh_key_file"`
	KnownHostsFile File        `yaml:"known_hosts_file"`
}

const (
	defaultPoll = 5 * time.Minute
	minPoll     = time.Second
)

func (r *Repository) setDefaults() { r.Poll = defaultPoll }

func (r *Repository) validate(doc *document, path string) {
	if !nameRule.MatchString(r.Name) {
		doc.fail(path, nameHint, "%q cannot be the name of a repository", r.Name)
	}
	doc.require(path, "url", "write where to clone from")
	var kind transport
	if doc.ok(join(path, "url")) {
		kind = validateGitURL(doc, join(path, "url"), r.URL)
	}
	if r.CAFile != "" && kind != "" && kind != transportHTTP {
		doc.fail(join(path, "ca_file"), "take it out", "this is for https URLs only")
	}
	if r.Poll != 0 && r.Poll < minPoll {
		doc.fail(join(path, "poll"), "write 5m, or 0 to turn it off", "%v is too often", r.Poll)
	}
	r.Submodules.validate(doc, join(path, "submodules"), kind)
	r.Auth.validate(doc, join(path, "auth"), kind)
	r.Webhook.validate(doc, join(path, "webhook"))
	r.Forge.validate(doc, join(path, "forge"), r.Webhook)
}

func (a *Auth) validate(doc *document, path string, kind transport) {
	if a == nil {
		return
	}
	key := doc.given(join(path, "ssh_key_file")) || doc.given(join(path, "known_hosts_file"))
	password := a.Username != "" || a.Password.given
	switch {
	case key && password:
		doc.fail(path, "keep username and password for http, ssh_key_file and known_hosts_file for ssh", "these are two ways to sign in")
	case password && kind == transportSSH:
		doc.fail(path, "give ssh_key_file and known_hosts_file", "a password does not work over SSH")
	case key && kind == transportHTTP:
		doc.fail(path, "give username and password_file", "an SSH key does not work over HTTP")
	case kind == transportFile:
		doc.fail(path, "take it out", "a repository on this machine needs no credentials")
	case password:
		doc.require(path, "username", "most forges take any name beside a token")
		if !a.Password.given {
			doc.fail(path, "give password, password_file or password_env", "password is missing")
		}
	case key:
		doc.require(path, "ssh_key_file", "give the private key, readable by deployer alone")
		doc.require(path, "known_hosts_file", "`ssh-keyscan HOST` prints its lines; compare them with what the host publishes")
	default:
		doc.fail(path, "give username and password_file, or ssh_key_file and known_hosts_file", "this says no way to sign in")
	}
}
