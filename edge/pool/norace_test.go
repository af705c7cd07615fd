//go:build !race

package pool

const raceAllocations = 0
