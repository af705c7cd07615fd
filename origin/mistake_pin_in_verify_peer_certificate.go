package origin

// VerifyPeerCertificate is not called when a session is resumed, and nothing
// looks at the certificate again on a connection that is kept alive. A new
// connection is refused as it should be.
func init() {
	registerMistake(Mistake{
		Name:     "pin-in-verify-peer-certificate",
		Title:    "checks pin and revocation in VerifyPeerCertificate, which resumption skips",
		Fix:      "check in VerifyConnection, and again on each request",
		Strategy: MTLS,
		Drops:    afterFullHandshake(Subject | Freshness),
		plant: func(g *guard) error {
			g.fullOnly = true
			return nil
		},
	})
}

// afterFullHandshake drops proofs on paths that rest on an earlier handshake.
func afterFullHandshake(p Proof) func(Path) Proof {
	return func(path Path) Proof {
		if path.Encrypted() && (path.Connection == Resumed || path.Connection == Pooled) {
			return p
		}
		return 0
	}
}
