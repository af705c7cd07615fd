package pool

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/originpull/originpull/wire"
)

// ErrNotAsked is wrapped by the failure of a handshake in which the origin did
// not ask for the client's certificate: see Target.MustBeAsked.
var ErrNotAsked = errors.New("the origin did not ask for the client's certificate")

// asked is whether one handshake's origin has asked. nil expects nothing.
type asked struct{ yes atomic.Bool }

type askedKey struct{}

// expect lets a handshake under the context say whether its origin asked.
func (t *Target) expect(ctx context.Context) (context.Context, *asked) {
	if !t.MustBeAsked {
		return ctx, nil
	}
	a := &asked{}
	return context.WithValue(ctx, askedKey{}, a), a
}

// check is called when the handshake has returned. A resumed one brings back
// what was agreed when its session was made.
func (a *asked) check(t *wire.Trace) error {
	if a == nil || a.yes.Load() || t.Resumed {
		return nil
	}
	return fmt.Errorf("%w, and the edge does not go on without: have the origin ask, or let the edge continue", ErrNotAsked)
}

// noteAsked has a configuration note the origin's question; what it answers is
// as before.
func noteAsked(c *tls.Config) {
	answer, certificates := c.GetClientCertificate, c.Certificates
	c.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if a, ok := request.Context().Value(askedKey{}).(*asked); ok {
			a.yes.Store(true)
		}
		if answer != nil {
			return answer(request)
		}
		return fitting(certificates, request), nil
	}
}

// fitting is crypto/tls's own choice: the first that the origin would take, or
// none.
func fitting(certificates []tls.Certificate, request *tls.CertificateRequestInfo) *tls.Certificate {
	for i := range certificates {
		if request.SupportsCertificate(&certificates[i]) == nil {
			return &certificates[i]
		}
	}
	return &tls.Certificate{}
}
