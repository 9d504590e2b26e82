// Package pipeline takes one run from its commit to a verified release, or
// back to the last one that was. It owns pipeline.yaml, the runner, which owns
// time, log, journal and deadline, the stages, and the way back. Which run may
// start when is not its matter.
//
// Read in the order in which a run goes through: runner.go, then
// stage_fetch.go, stage_decrypt.go, stage_preflight.go, stage_deploy.go,
// stage_verify.go and stage_rollback.go.
package pipeline
