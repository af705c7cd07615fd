package origin

import (
	"crypto/tls"
	"crypto/x509"
)

// state is a guard with the TLS configurations that carry it into handshakes.
// Reload swaps the whole.
type state struct {
	guard *guard
	// strict is for the protected host and for every name that is unknown or
	// absent; open, without client certificate, for public hosts.
	strict, open *tls.Config
	// quic is the same for QUIC connections: another ALPN, and another guard
	// where a mistake is planted.
	quic *state
}

func newState(g *guard, base *tls.Config) *state {
	if base == nil {
		return &state{guard: g}
	}
	s := stateOver(g, base)
	s.quic = stateOver(g.overQUIC, quicTLS(base))
	return s
}

func stateOver(g *guard, base *tls.Config) *state {
	strict := base.Clone()
	strict.ClientAuth, strict.ClientCAs = g.clientAuth, g.roots
	strict.VerifyConnection = g.verifyConnection
	if g.fullOnly {
		strict.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
			certs, err := parseRaw(raw)
			if err != nil || len(certs) == 0 {
				return err
			}
			return g.verifyIdentity(certs)
		}
	}
	return &state{guard: g, strict: strict, open: base.Clone()}
}

// configFor picks by SNI, in any case: only a name that is known to be public
// is let off.
func (s *state) configFor(c *identity, serverName string) *tls.Config {
	c.guard = s.guard
	c.sni = hostName(serverName)
	if s.guard.public[c.sni] {
		return s.open
	}
	if s.guard.laxDefault && serverName != s.guard.policy.Host {
		c.lax = true
		return s.open
	}
	return s.strict
}

// baseTLS is what all handshakes share. Its GetConfigForClient reads the
// current state; session tickets are sealed with the outer configuration's
// keys, so that sessions outlive a Reload and VerifyConnection, not a lost
// key, is what ends them.
func (s *Server) baseTLS(certificate tls.Certificate) *tls.Config {
	cfg := s.cfg.profile().Server(&tls.Config{Certificates: []tls.Certificate{certificate}})
	cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, 0
	cfg.NextProtos = []string{ProtocolH2, "http/1.1"}
	cfg.SessionTicketsDisabled = !s.cfg.Tickets
	return cfg
}

// outerTLS is the configuration of every connection, for the server's life.
func (s *Server) outerTLS(base *tls.Config) *tls.Config {
	outer := base.Clone()
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return s.state.Load().configFor(&hello.Conn.(*socket).owner.identity, hello.ServerName), nil
	}
	return outer
}

func parseRaw(raw [][]byte) ([]*x509.Certificate, error) {
	certs := make([]*x509.Certificate, len(raw))
	for i := range raw {
		cert, err := x509.ParseCertificate(raw[i])
		if err != nil {
			return nil, err
		}
		certs[i] = cert
	}
	return certs, nil
}

// versionName is the TLS version as profiles write it.
func versionName(version uint16) string {
	switch version {
	case tls.VersionTLS12:
		return "1.2"
	case tls.VersionTLS13:
		return "1.3"
	default:
		return ""
	}
}

// groupName is the key exchange group as profiles write it; a group that no
// profile names keeps crypto/tls's own name.
func groupName(group tls.CurveID) string {
	switch group {
	case 0:
		return ""
	case tls.X25519:
		return "x25519"
	case tls.CurveP256:
		return "p256"
	case tls.X25519MLKEM768:
		return "x25519mlkem768"
	default:
		return group.String()
	}
}
