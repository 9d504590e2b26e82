package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"deployer/examples"
	"deployer/secrets"
)

// unfilled is what the example leaves for a person, or for init, to fill in.
const unfilled = "CHANGE_ME_IN_PRODUCTION"

// A registryDone is what was written.
type registryDone struct {
	Dir       string   `json:"dir"`
	Host      string   `json:"host"`
	Username  string   `json:"username"`
	KeyFile   string   `json:"age_key"`
	KeyMade   bool     `json:"age_key_made"`
	Recipient string   `json:"recipient"`
	Files     []string `json:"files"`
}

// write makes the repository. Where it fails, what it has written is removed;
// a key that was made stays.
func (p *registryPlan) write() (done registryDone, err error) {
	done = registryDone{Dir: p.dir, Host: "registry." + p.domain, Username: p.username, KeyFile: p.keyFile}
	if done.Recipient, done.KeyMade, err = ageKey(p.keyFile); err != nil {
		return done, err
	}
	defer func() {
		if err != nil {
			for _, name := range done.Files {
				_ = os.Remove(filepath.Join(p.dir, name))
			}
		}
	}()
	put := func(name string, text []byte) error {
		if err := writeNew(filepath.Join(p.dir, name), text); err != nil {
			return err
		}
		done.Files = append(done.Files, name)
		return nil
	}
	tree := examples.Registry()
	err = fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return put(name, p.fill(name, text, done.Recipient))
	})
	if err != nil {
		return done, err
	}
	env, err := p.env(tree)
	if err != nil {
		return done, err
	}
	rules, err := secrets.FindRules(filepath.Join(p.dir, envName))
	if err != nil {
		return done, err
	}
	sealed, err := rules.Encrypt(env)
	if err != nil {
		return done, err
	}
	return done, put(envName, sealed)
}

// fill puts into an example's file what is known now.
func (p *registryPlan) fill(name string, text []byte, recipient string) []byte {
	value := map[string]string{".sops.yaml": recipient, path.Join("server", "Traefik", "traefik.yml"): p.email}[name]
	if value == "" {
		return text
	}
	return []byte(strings.ReplaceAll(string(text), unfilled, value))
}

// env makes the production's env file of its example, in plain.
func (p *registryPlan) env(tree fs.FS) ([]byte, error) {
	raw, err := fs.ReadFile(tree, envName+".example")
	if err != nil {
		return nil, err
	}
	password := newPassword()
	line, err := htpasswd(p.username, password)
	if err != nil {
		return nil, err
	}
	text := secrets.NewValue(string(raw))
	for _, v := range []variable{
		{"HOST", secrets.NewValue(p.domain)}, {"REGISTRY_USERNAME", secrets.NewValue(p.username)},
		{"REGISTRY_PASSWORD", password}, {"REGISTRY_HTPASSWD", line},
	} {
		if text, err = secrets.SetVar(envName, text, v.name, v.value); err != nil {
			return nil, err
		}
	}
	return []byte(text.Reveal()), nil
}

// writeNew writes a file that is not there yet, for everybody to read: what
// is secret in it is encrypted.
func writeNew(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// ageKey returns the public key of a file, which is made where it is not there.
func ageKey(file string) (recipient string, made bool, err error) {
	recipients, err := secrets.RecipientsOf(file)
	switch {
	case err == nil:
		return recipients[0], false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", false, fmt.Errorf("the age key %s: %w", file, err)
	}
	identity, recipient, err := secrets.GenerateAgeKey()
	if err != nil {
		return "", false, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", false, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", false, err
	}
	_, err = fmt.Fprintf(f, "# public key: %s\n%s\n", recipient, identity.Reveal())
	return recipient, true, errors.Join(err, f.Sync(), f.Close())
}

// explain says what was written and what comes next.
func (d registryDone) explain(w io.Writer) error {
	key := "there already, and used again"
	if d.KeyMade {
		key = "made; keep a copy in a safe place: without it nobody can decrypt " + envName
	}
	var server strings.Builder
	for line := range strings.Lines(string(examples.RegistryServer())) {
		server.WriteString("     " + line)
	}
	_, err := fmt.Fprintf(w, `%[1]s is ready: https://%[2]s in production, http://registry.localhost in development.
Key: %[3]s (%[4]s)
User: %[5]s; the password: deployer secrets decrypt --age-key %[3]s %[1]s/%[6]s

What comes next:
1. Check it, commit it and push it to your forge:
     deployer check %[1]s --age-key %[3]s
     cd %[1]s && git init -b main && git add -A && git commit -m "A registry"
     git remote add origin URL && git push -u origin main
2. On the server, as root: the key (the content of %[3]s),
   the webhook's secret, the forge's token and a token of deployer's own.
     install -d -m 700 /etc/deployer && install -m 600 age.key /etc/deployer/age.key
     (umask 077; openssl rand -hex 32 > /etc/deployer/webhook)
     (umask 077; cat > /etc/deployer/git-token)
     deployer token ops --role admin
3. On the server, /etc/deployer/deployer.yaml, with your addresses and the token's hash:
%[7]s4. On the server: see what is missing, then start it. docs/deployer.service is the unit of systemd.
     install -d -m 700 /backups/registry
     deployer doctor -c /etc/deployer/deployer.yaml
     cp docs/deployer.service /etc/systemd/system/ && systemctl enable --now deployer
5. At the forge: a webhook to URL/hooks/infra, JSON, on push, with the secret of step 2.
docs/registry.md explains each step, and how to go back to development.
`, d.Dir, d.Host, d.KeyFile, key, d.Username, envName, server.String())
	return err
}
