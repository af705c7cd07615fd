package wire

import "crypto/tls"

// TLS 1.3 (RFC 8446): the client's key share leaves in its first flight, so
// every handshake takes one turn and resumption saves none.
func init() {
	registerVersion(version{
		name: "1.3", id: tls.VersionTLS13, full: 1, resumed: 1,
		offers: func(group tls.CurveID) []tls.CurveID { return []tls.CurveID{group} },
	})
}
