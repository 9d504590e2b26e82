// Package pipeline takes a stack from a signed push to a verified release, or
// back to the last one that was. It owns pipeline.yaml, the queue that decides
// what may start, the runner that owns time, log, journal and deadline, the
// stages, and the way back.
//
// Read in the order in which a push goes through: queue.go, dispatch.go,
// runner.go, then stage_fetch.go, stage_decrypt.go, stage_preflight.go,
// stage_deploy.go, stage_verify.go and stage_rollback.go.
package pipeline
