//go:build race

package wire

// raced tells that the race detector makes everything several times slower.
const raced = true
