package pipeline

import (
	"maps"
	"path"
	"slices"
)

// checkFiles are the files of the commit that the release's checks read, by
// their path in the repository. They belong to the release: it is verified
// again with them when it is gone back to. They are read once.
func (x *Execution) checkFiles() map[string][]byte {
	if x.readByChecks != nil {
		return x.readByChecks
	}
	files := map[string][]byte{}
	specs := slices.Concat(x.File.Preflight, x.File.Verify)
	if x.File.Monitor != nil {
		specs = slices.Concat(specs, x.File.Monitor.Checks)
	}
	for _, spec := range specs {
		for _, name := range spec.Files(x.Env) {
			// What cannot be read its check says itself.
			if data, err := x.readFile(name); err == nil {
				files[path.Join(x.Stack.Directory, name)] = data
			}
		}
	}
	x.readByChecks = files
	return files
}

// fingerprint is what the execution's release is known by.
func (x *Execution) fingerprint() string {
	extra := [][]byte{x.FileRaw, []byte(x.environment())}
	files := x.checkFiles()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		extra = append(extra, []byte(name), files[name])
	}
	return x.Project.Fingerprint(x.runner.parts.Vault.Digest, extra...)
}
