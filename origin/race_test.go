//go:build race

package origin

// underRace: quic-go v0.65.0 has a data race of its own in 0-RTT.
const underRace = true
