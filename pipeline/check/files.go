package check

import "deployer/secrets"

// fileFields are the fields that name a file of the commit.
var fileFields = []string{"ca", "file"}

// Files returns the files of the commit that s may read, from the stack's
// folder, with the variables of env filled in. Some need not exist: a field of
// that name may be something else in a check.
func (s Spec) Files(env *secrets.Env) []string {
	var out []string
	for _, field := range fileFields {
		n := s.fields.get(field)
		if n.kind != aScalar {
			continue
		}
		if x, err := expand(n.text, lookupIn(env)); err == nil && len(x.missing) == 0 && x.plain != "" {
			out = append(out, x.plain)
		}
	}
	return out
}
