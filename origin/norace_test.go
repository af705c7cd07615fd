//go:build !race

package origin

const underRace = false
