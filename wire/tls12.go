package wire

import "crypto/tls"

// TLS 1.2 (RFC 5246): the client's key share leaves in its second flight, so
// a full handshake takes two turns; a resumed one needs no key share.
func init() {
	registerVersion(version{
		name: "1.2", id: tls.VersionTLS12, full: 2, resumed: 1,
		offers: func(group tls.CurveID) []tls.CurveID {
			switch group {
			case tls.X25519:
				// In TLS 1.2 the list of groups also names the curves that a
				// certificate may use (RFC 8422, section 5.1): an OpenSSL
				// server with an ECDSA P-256 certificate refuses a client
				// that offers X25519 alone, and likewise with P-384
				// (Profile.P384). Go's server prefers X25519.
				return []tls.CurveID{tls.X25519, tls.CurveP256}
			case tls.CurveP256:
				return []tls.CurveID{tls.CurveP256}
			default:
				return nil // hybrid groups are defined for TLS 1.3 only
			}
		},
	})
}
