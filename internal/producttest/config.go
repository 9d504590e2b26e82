package producttest

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// Configure writes deployer.yaml; extra goes under the stack, Top at
// the top level.
func (p *Product) Configure(provider, extra string) {
	p.T.Helper()
	var tokens strings.Builder
	for _, role := range []string{"admin", "deployer", "viewer"} {
		sum := sha256.Sum256([]byte(p.Keys[role]))
		fmt.Fprintf(&tokens, "  - {name: %s-of-test, role: %s, sha256: %x}\n", role, role, sum)
	}
	target := ""
	if p.Docker != "" {
		target = fmt.Sprintf("    target: {docker: %q}\n", p.Docker)
	}
	p.Write("deployer.yaml", fmt.Sprintf(`listen: %[1]s
url: http://%[1]s
data: %[2]s/data
tokens:
%[3]ssecrets: {age_key_files: [%[2]s/age.key]}
repositories:
  config:
    url: %[4]s
    auth: {username: deployer, password_file: %[2]s/git.password}
    webhook: {provider: %[5]s, secret_file: %[2]s/hook.secret}
    poll: %[8]s
stacks:
  %[6]s:
    repository: config
%[9]s%[7]s%[10]s`, strings.TrimPrefix(p.URL, "http://"), p.Dir, tokens.String(), p.Git.URL, provider, p.Stack, extra, p.Poll, target, p.Top))
}
