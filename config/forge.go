package config

// What to do about pull requests from forks.
const (
	ForksIgnore = "ignore"
	ForksPlan   = "plan"
)

// A Forge is where commit statuses and comments are written.
type Forge struct {
	API   string `yaml:"api"`
	Token Secret `yaml:"token"`
	Forks string `yaml:"forks"`
}

func (f *Forge) setDefaults() { f.Forks = ForksIgnore }

func (f *Forge) validate(doc *document, path string) {
	if f == nil {
		return
	}
	doc.require(path, "api", "write the API's URL, such as https://api.github.com")
	if doc.ok(join(path, "api")) {
		validateWebURL(doc, join(path, "api"), f.API)
	}
	if !f.Token.given {
		doc.fail(path, "give token, token_file or token_env", "token is missing")
	}
	oneOf(doc, join(path, "forks"), f.Forks, ForksIgnore, ForksPlan)
}
