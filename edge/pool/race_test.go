//go:build race

package pool

// raceAllocations is what the race detector adds to a TLS record on each side.
const raceAllocations = 1
