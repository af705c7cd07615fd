package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// pull runs one mutual handshake over loopback and returns what each side saw.
// The client's word counts only after its first read: in TLS 1.3 a refused
// client certificate shows up there (RFC 8446, 4.4.2.4).
func pull(t *testing.T, client, server *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	served := make(chan error, 1)
	go func() { served <- serveOne(listener, server) }()
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1))
		_ = conn.Close()
	}
	return err, <-served
}

func serveOne(listener net.Listener, cfg *tls.Config) error {
	raw, err := listener.Accept()
	if err != nil {
		return err
	}
	conn := tls.Server(raw, cfg)
	defer func() { _ = conn.Close() }()
	if err := conn.Handshake(); err != nil {
		return err
	}
	_, err = conn.Write([]byte("x"))
	return err
}

func tlsCertificate(t *testing.T, c *Certificate) tls.Certificate {
	t.Helper()
	cert, err := c.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

type lab struct{ client, server *tls.Config }

// newLab is a client and a server that trust a and pin version and URI. The
// client forces its certificate on the server, whatever roots it is told.
func newLab(t *testing.T, a *Authority, version uint16, clientFlaw, serverFlaw Flaw) lab {
	t.Helper()
	identity := tlsCertificate(t, mustIssue(t, a, requestFor(ClientAuth, clientFlaw)))
	return lab{
		client: &tls.Config{
			RootCAs: pool(t, a.Roots()), ServerName: originHost, MinVersion: version, MaxVersion: version,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &identity, nil },
		},
		server: &tls.Config{
			Certificates: []tls.Certificate{tlsCertificate(t, mustIssue(t, a, requestFor(ServerAuth, serverFlaw)))},
			ClientCAs:    pool(t, a.Roots()), ClientAuth: tls.RequireAndVerifyClientCert,
			MinVersion: version, MaxVersion: version,
			VerifyConnection: func(s tls.ConnectionState) error {
				if got := s.PeerCertificates[0].URIs[0].String(); got != edgeURI {
					return errPin
				}
				return nil
			},
		},
	}
}

var errPin = errors.New("pin: other name")

func TestFlawsInMutualHandshakes(t *testing.T) {
	a := newTestAuthority(t, Config{Intermediates: 1})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, flaw := range append(Flaws(), NoFlaw) {
			t.Run(fmt.Sprintf("%s/client %s", tls.VersionName(version), flaw), func(t *testing.T) {
				l := newLab(t, a, version, flaw, NoFlaw)
				clientErr, serverErr := pull(t, l.client, l.server)
				want := flawClasses[flaw][ClientAuth]
				if flaw == WrongName {
					if !errors.Is(serverErr, errPin) {
						t.Errorf("server: %v, want the pin to refuse", serverErr)
					}
				} else if got := class(serverErr); got != want {
					t.Errorf("server saw %q, want %q", got, want)
				}
				if (clientErr == nil) != (flaw == NoFlaw) {
					t.Errorf("client: %v", clientErr)
				}
			})
			t.Run(fmt.Sprintf("%s/server %s", tls.VersionName(version), flaw), func(t *testing.T) {
				l := newLab(t, a, version, NoFlaw, flaw)
				clientErr, serverErr := pull(t, l.client, l.server)
				if got, want := class(clientErr), flawClasses[flaw][ServerAuth]; got != want {
					t.Errorf("client saw %q, want %q", got, want)
				}
				if (serverErr == nil) != (flaw == NoFlaw) {
					t.Errorf("server: %v", serverErr)
				}
			})
		}
	}
}

func TestRevokedInMutualHandshake(t *testing.T) {
	a := newTestAuthority(t, Config{Intermediates: 1})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		l := newLab(t, a, version, NoFlaw, NoFlaw)
		identity, err := l.client.GetClientCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, revoke := range []bool{false, true} {
			if revoke {
				if err := a.Revoke(&Certificate{Leaf: identity.Leaf}); err != nil {
					t.Fatal(err)
				}
			}
			revoked := parseList(t, a)
			server := l.server.Clone()
			server.VerifyConnection = func(s tls.ConnectionState) error {
				return revoked.Check(s.PeerCertificates[0], server.Time())
			}
			server.Time = time.Now
			clientErr, serverErr := pull(t, l.client, server)
			if errors.Is(serverErr, ErrRevoked) != revoke || (clientErr != nil) != revoke {
				t.Errorf("%s, revoked %t: server %v, client %v", tls.VersionName(version), revoke, serverErr, clientErr)
			}
		}
	}
}

func parseList(t *testing.T, a *Authority) *Revoked {
	t.Helper()
	list, err := a.RevocationList()
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := ParseRevocationList(list, []*x509.Certificate{a.chain[0].cert})
	if err != nil {
		t.Fatal(err)
	}
	return revoked
}
