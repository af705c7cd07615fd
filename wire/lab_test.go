package wire

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

const originName = "origin.test"

var target = netip.MustParseAddrPort("127.0.0.1:4433")

// keyPair makes a key; its type is what a row is about.
type keyPair func() (crypto.Signer, error)

func ecdsaKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func ed25519Key() (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

// lab is a root, a server and a client under it.
type lab struct {
	server, client *tls.Config
}

// newLab pads the certificates of server and client to at least that many
// bytes.
func newLab(t testing.TB, key keyPair, serverSize, clientSize int) lab {
	t.Helper()
	rootKey, err := key()
	if err != nil {
		t.Fatal(err)
	}
	root := template(t, "wire test root", nil)
	root.IsCA, root.KeyUsage = true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	issue := func(name string, size int) tls.Certificate {
		leafKey, err := key()
		if err != nil {
			t.Fatal(err)
		}
		names := []string{name}
		for padded := 300; padded < size; padded += 34 {
			names = append(names, fmt.Sprintf("padding-%08d.originpull.test", padded))
		}
		der, err := x509.CreateCertificate(rand.Reader, template(t, name, names), root, leafKey.Public(), rootKey)
		if err != nil {
			t.Fatal(err)
		}
		if len(der) < size {
			t.Fatalf("certificate of %d bytes instead of %d", len(der), size)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: leafKey}
	}
	return lab{
		server: &tls.Config{Certificates: []tls.Certificate{issue(originName, serverSize)}, ClientCAs: roots},
		client: &tls.Config{Certificates: []tls.Certificate{issue("edge.test", clientSize)}, RootCAs: roots, ServerName: originName},
	}
}

func template(t testing.TB, name string, names []string) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	if err != nil {
		t.Fatal(err)
	}
	return &x509.Certificate{
		// Exactly 16 bytes, so that certificates do not differ by their serial.
		SerialNumber: serial.SetBit(serial, 126, 1), Subject: pkix.Name{CommonName: name}, DNSNames: names,
		// A synctest bubble begins at 2000-01-01.
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
}

const (
	requestSize  = 100
	responseSize = 200
)

// origin answers every request of requestSize bytes with responseSize bytes.
// The returned function stops it and waits.
func origin(t testing.TB, network Network, at netip.AddrPort, cfg *tls.Config) (netip.AddrPort, func()) {
	t.Helper()
	l, err := network.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { answer(t, conn, cfg) })
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort(), func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

func answer(t testing.TB, conn net.Conn, cfg *tls.Config) {
	if cfg != nil {
		conn = tls.Server(conn, cfg)
	}
	request, response := make([]byte, requestSize), make([]byte, responseSize)
	for {
		_, err := io.ReadFull(conn, request)
		if err == nil {
			_, err = conn.Write(response)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && t.Context().Err() == nil {
				t.Logf("origin: %v", err)
			}
			_ = conn.Close()
			return
		}
	}
}

// pull makes one connection and one request on it.
func pull(t testing.TB, d Dialer, at netip.AddrPort, cfg *tls.Config) *Trace {
	t.Helper()
	trace, err := pullOnce(t.Context(), d, at, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// pullOnce is pull for any goroutine. Without cfg there is no TLS.
func pullOnce(ctx context.Context, d Dialer, at netip.AddrPort, cfg *tls.Config) (*Trace, error) {
	c, err := d.Dial(ctx, at)
	if err != nil {
		return nil, err
	}
	conn, trace := net.Conn(c), Plain(c)
	if cfg != nil {
		if conn, trace, err = Handshake(ctx, c, cfg); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	err = ask(conn, trace, c)
	return trace, errors.Join(err, conn.Close())
}

// ask makes a request and completes the trace, where there is one, with its
// reply.
func ask(conn io.ReadWriter, trace *Trace, c *Conn) error {
	if _, err := conn.Write(make([]byte, requestSize)); err != nil {
		return err
	}
	response := make([]byte, responseSize+1)
	n, err := conn.Read(response)
	if err == nil && n != responseSize {
		err = fmt.Errorf("%d bytes of the response instead of %d", n, responseSize)
	}
	if err == nil && trace != nil {
		trace.MarkFirstByte(c, time.Now())
	}
	return err
}
