// Package bench measures deployer against the floor of each of its jobs, in
// the same run, as a ratio: absolute times differ from machine to machine,
// ratios hardly do. `make bench` runs it; docs/performance.md keeps what it said.
package bench
