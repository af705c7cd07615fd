//go:build race

package origin

// underRace leaves out requests in 0-RTT to another process: quic-go's client
// opens a stream and takes the server's transport parameters without a lock
// between the two.
const underRace = true
