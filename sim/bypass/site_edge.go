package bypass

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

// know pulls as the edge, twice where the answer has to be known by its sum.
func (s *Site) know(ctx context.Context, m *Material) error {
	l := s.lab(m, "1.3", 0)
	for _, version := range []string{"1.3", "1.2"} {
		l.Profile.Version = version
		first, err := l.answer(ctx)
		if err != nil {
			err = fmt.Errorf("the legitimate edge is not served, so that no attempt says anything: %w", err)
			if version == "1.2" {
				return err
			}
			continue
		}
		second, err := l.answer(ctx)
		if err != nil {
			return fmt.Errorf("the legitimate edge was served once and then not: %w", err)
		}
		s.sum = sha256.Sum256(first.Body)
		switch {
		case s.Answer != "" && !s.protected(first.Status, first.Header, first.Body):
			return fmt.Errorf("the answer to the legitimate edge, status %d with %d bytes, has no %q: origin.answer must be a text of it", first.Status, len(first.Body), s.Answer)
		case s.Answer == "" && !bytes.Equal(first.Body, second.Body):
			return errors.New("the protected answer is another one each time: name a text that is always in it (origin.answer), so that it can be told from a refusal")
		case s.Answer == "" && len(first.Body) == 0:
			return errors.New("the protected answer has no body: name one of its header lines (origin.answer), so that it can be told from a refusal")
		}
		return nil
	}
	return nil
}

// answer is what the legitimate edge is told.
func (l *Lab) answer(ctx context.Context) (edge.Reply, error) {
	e, err := edge.New(l.edgeConfig())
	if err != nil {
		return edge.Reply{}, fmt.Errorf("making the legitimate edge: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	reply, err := e.Pull(limited, edge.Viewer{Path: l.site.Path})
	err = errors.Join(err, e.Close())
	if err == nil && reply.Status != http.StatusOK {
		err = fmt.Errorf("status %d, and a protected answer has 200", reply.Status)
	}
	return reply, err
}

// protected reports whether an answer is the protected one.
func (s *Site) protected(status int, header http.Header, body []byte) bool {
	if status != http.StatusOK {
		return false
	}
	if s.Answer == "" {
		return sha256.Sum256(body) == s.sum
	}
	if bytes.Contains(body, []byte(s.Answer)) {
		return true
	}
	for name, values := range header {
		for _, value := range values {
			if strings.Contains(name+": "+value, s.Answer) {
				return true
			}
		}
	}
	return false
}

// edgeConfig is that of the site's legitimate edge.
func (s *Site) edgeConfig(l *Lab) edge.Config {
	base := l.Material.trusting.Clone()
	identity := ""
	if s.Edge != nil {
		base.Certificates, identity = []tls.Certificate{*s.Edge}, edgeCertificate
	}
	var header [][2]string
	if s.Secret != "" {
		header = [][2]string{{s.Header, s.Secret}}
	}
	return edge.Config{
		Behaviour: edge.Behaviour{ContinueWithoutClientCertificate: true},
		Pool:      pool.Config{DialTimeout: l.patience, HandshakeTimeout: l.patience, ResponseTimeout: l.patience},
		Target: pool.Target{
			Address: s.Address, ServerName: s.Name, Identity: identity, TLS: l.Profile.Client(base), Dialer: l.dialer(edgeAddress),
		},
		Host: s.host(), Header: header,
	}
}

// host is what goes into Host: with the port, where it is not that of https.
func (s *Site) host() string {
	if s.Address.Port() == 443 {
		return s.Name
	}
	return fmt.Sprintf("%s:%d", s.Name, s.Address.Port())
}

// dialer is how the lab opens connections.
func (l *Lab) dialer(source netip.Addr) wire.Dialer {
	d := wire.Dialer{Source: source, Timeout: l.patience}
	if l.site == nil {
		return d
	}
	d.Network = l.site.Network
	if !l.Target.Addr().IsLoopback() || !l.Target.Addr().Is4() {
		d.Source = netip.Addr{}
	}
	return d
}

// adapted is the try in the site's own names.
func (s *Site) adapted(t Try, of string) Try {
	if t.Host == "" || t.Host == Host {
		t.Host = s.host()
	}
	if t.ServerName == "" && !t.NoSNI || t.ServerName == Host {
		t.ServerName = s.Name
	}
	t.Request = strings.ReplaceAll(t.Request, protectedPath, s.Path)
	if t.Request == "" {
		t.Request = s.Path
	}
	t.Header, t.Trailer = s.renamed(t.Header), s.renamed(t.Trailer)
	if own, given := s.Certificates[of]; given && t.Certificate != "" {
		t.shown = &own
	}
	return t
}

// renamed are header fields with the site's name of the secret's.
func (s *Site) renamed(fields [][2]string) [][2]string {
	out := slices.Clone(fields)
	for i, f := range out {
		for _, separator := range []string{"-", "_", "."} {
			if f[0] == strings.ReplaceAll(SecretHeader, "-", separator) {
				out[i][0] = strings.ReplaceAll(s.Header, "-", separator)
			}
		}
	}
	return out
}
