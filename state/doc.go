// Package state owns the nouns that deployer keeps and the bbolt store that
// keeps them: events, runs with their stages and steps, releases, stacks,
// locks, deliveries, logs and the audit trail. No type here has a field of a
// secret type: what is stored may be shown.
package state
