package config

// Meanings judge values that only another room understands, so that what is
// wrong with them is reported beside everything else. One that is nil judges
// nothing.
type Meanings struct {
	Notify func(url string) error    // an address of notify; the error does not show it
	Forge  func(r *Repository) error // a repository with a forge, of which nothing else is wrong
}

const servicesHint = "the services and how their URLs are written: https://shoutrrr.nickfedor.com"

func (m Meanings) validate(doc *document, c *Config) {
	for i, n := range c.Notify {
		if at := item("notify", i); m.Notify != nil && n.URL.given && doc.sound(at) {
			if err := m.Notify(n.URL.Reveal()); err != nil {
				doc.fail(at, servicesHint, "%v", err)
			}
		}
	}
	for name, r := range c.Repositories {
		if at := join("repositories", name); m.Forge != nil && r.Forge != nil && doc.sound(at) {
			if err := m.Forge(r); err != nil {
				doc.fail(join(at, "forge"), "", "%v", err)
			}
		}
	}
}
