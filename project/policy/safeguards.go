package policy

// safeguards judges what the stack does for its own safety.
func (j *judge) safeguards(s Safeguards) {
	if !s.Verified {
		j.find(finding{rule: "unverified", from: strict, what: "pipeline.yaml has no checks under verify",
			why: "a release that runs is not yet one that works", remedy: "add a check, such as {check: http, url: …}"})
	}
	if !s.RollsBack {
		j.find(finding{rule: "no_rollback", from: strict, what: "rollback: {automatic: false}",
			why: "a release that fails stays until a person comes", remedy: "take it out"})
	}
	if s.EnvFile != "" && !s.Encrypted {
		j.find(inClear("env file ", s.EnvFile))
	}
	for _, file := range j.project.ClearSecrets {
		j.find(inClear("file of secrets ", file))
	}
}

// inClear is a file of the repository that is to be encrypted.
func inClear(what, file string) finding {
	return finding{rule: "unencrypted", from: strict, parameter: file, what: what + file,
		why: "it is in the clear in Git", remedy: "encrypt it: deployer secrets encrypt " + file + ", and replace what was committed"}
}
