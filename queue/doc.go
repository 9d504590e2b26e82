// Package queue decides what runs when: it makes runs of deliveries, of what
// people ask for and of what is due, keeps them in the database, and hands each
// to the pipeline when nothing stands in its way. It also looks at what needs
// no run: branches, schedules, the checks of live releases, what is left over.
//
// Read in the order in which a push goes through: intake.go, acceptance.go,
// admission.go, dispatch.go.
package queue
