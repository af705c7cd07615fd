package origin

import "crypto/tls"

// The plaintext port that stays open beside the TLS one, each strategy
// forgotten on it in turn.
func init() {
	registerMistake(Mistake{
		Name:     "plain-open-allowlist",
		Title:    "keeps the allowlist on the TLS port and leaves the plaintext port open",
		Fix:      "close the plaintext port, or filter it by the same addresses",
		Strategy: Allowlist,
		Drops:    onPlain(Address),
		plant:    plantOnPlain(func(g *guard) { g.admits = nil }),
	})
	registerMistake(Mistake{
		Name:     "plain-no-secret",
		Title:    "compares the secret header on the TLS port and not on the plaintext port",
		Fix:      "close the plaintext port, or give it the same guard",
		Strategy: Header,
		Drops:    onPlain(Secret),
		plant:    plantOnPlain(func(g *guard) { g.secret = nil }),
	})
	registerMistake(Mistake{
		Name:     "plain-no-certificate",
		Title:    "serves the content on the plaintext port too, where no certificate can be asked for",
		Fix:      "close the plaintext port",
		Strategy: MTLS,
		Drops:    onPlain(certificateProofs),
		plant:    plantOnPlain(func(g *guard) { g.clientAuth = tls.NoClientCert }),
	})
}

func onPlain(p Proof) func(Path) Proof {
	return func(path Path) Proof {
		if path.Port != Plaintext {
			return 0
		}
		return p
	}
}

func plantOnPlain(change func(*guard)) func(*guard) error {
	return func(g *guard) error {
		weak := *g
		change(&weak)
		g.overPlain = &weak
		return nil
	}
}
