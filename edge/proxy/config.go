package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/originpull/originpull/edge"
)

// DefaultName is Config.Name where that is "".
const DefaultName = "originpull"

// Config is a proxy.
type Config struct {
	Edge edge.Config
	// Routes, where there are any, are several origins: a viewer's request is the
	// first's that it matches. Of Edge only the cache is then looked at.
	Routes []edge.Route
	// Name is the proxy's in Via, Cache-Status and Proxy-Status: a token; "" =
	// DefaultName.
	Name string
	// Viewers is how viewers are met; its zero value is plaintext.
	Viewers  Viewers
	Timeouts Timeouts
	// Failed is told of each pull that the origin did not answer, with the
	// reason, which viewers are not told; nil is not. Several goroutines call it
	// at once.
	Failed func(error)
}

// Viewers is what viewers are shown and asked for.
type Viewers struct {
	Certificate *tls.Certificate // nil = plaintext
	// Authority is who must have issued a viewer's certificate; nil = viewers are
	// not asked for one. It needs Certificate.
	Authority *x509.CertPool
}

// Timeouts bound each wait for a viewer. Zero takes the default; there is no
// way to have none.
type Timeouts struct {
	Handshake time.Duration // from accept to a finished handshake: 10 s
	Header    time.Duration // to the end of a request's header: 10 s
	Read      time.Duration // for the next piece of a request's content: 30 s
	Write     time.Duration // for the viewer to take the next piece: 30 s
	Idle      time.Duration // between requests: 75 s
}

// maxHeader bounds a request's header, in bytes.
const maxHeader = 64 << 10

func (t Timeouts) settled() (Timeouts, error) {
	var wrong []error
	for _, timeout := range []struct {
		name     string
		value    *time.Duration
		fallback time.Duration
	}{
		{"handshake", &t.Handshake, 10 * time.Second},
		{"header", &t.Header, 10 * time.Second},
		{"read", &t.Read, 30 * time.Second},
		{"write", &t.Write, 30 * time.Second},
		{"idle", &t.Idle, 75 * time.Second},
	} {
		if *timeout.value < 0 {
			wrong = append(wrong, fmt.Errorf("the %s timeout %s is negative", timeout.name, *timeout.value))
		}
		if *timeout.value == 0 {
			*timeout.value = timeout.fallback
		}
	}
	return t, errors.Join(wrong...)
}

// tls is the configuration that one handshake with a viewer follows.
func (v Viewers) tls() (*tls.Config, error) {
	if v.Certificate == nil {
		if v.Authority != nil {
			return nil, errors.New("viewers cannot show a certificate without TLS: give the proxy a certificate too")
		}
		return nil, nil
	}
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{protoH2, protoH1},
		Certificates: []tls.Certificate{*v.Certificate},
	}
	if v.Authority != nil {
		cfg.ClientCAs, cfg.ClientAuth = v.Authority, tls.RequireAndVerifyClientCert
	}
	return cfg, nil
}

// The protocols of ALPN.
const (
	protoH1 = "http/1.1"
	protoH2 = "h2"
)
