package bypass

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// What attempts are made over.
const (
	overH1 = "h1"
	overH2 = origin.ProtocolH2
	overH3 = origin.ProtocolH3
)

// everyProtocol is for attempts whose outcome may hang on the protocol: what is
// decided per connection, per request and by the header's form.
var everyProtocol = []string{overH1, overH2, overH3}

// protocols are those of the attempt under a variant: kinds of mTLS and
// combinations meet the first alone.
func (a Attempt) protocols(v variant) []string {
	all := a.Protocols
	switch {
	case a.overQUIC():
		return []string{overH3}
	case len(all) == 0:
		return []string{overH1}
	case len(v.strategies) > 1 || v.name != v.strategies[0]:
		return all[:1]
	}
	return all
}

// protocols are those of the attempt that the plan wants.
func (p Plan) protocols(a Attempt, v variant) []string {
	return slices.DeleteFunc(slices.Clone(a.protocols(v)), func(name string) bool {
		return len(p.Protocols) > 0 && !slices.Contains(p.Protocols, name)
	})
}

// path is how the attempt's deciding request reaches the origin.
func (a Attempt) path(protocol string) origin.Path {
	path := a.Path
	if protocol == overH3 {
		path.Port = origin.UDP
	}
	return path
}

// errNoH2 is an origin that does not offer HTTP/2.
var errNoH2 = errors.New("the origin does not offer HTTP/2")

// sendH2 is Send over HTTP/2, on a connection that has shaken hands.
func (c *Connection) sendH2(ctx context.Context, t Try) (Step, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	step := c.step
	step.Name = t.Name
	host := t.Host
	if host == "" {
		host = Host
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true) // TLS is the connection's own affair
	transport := &http.Transport{
		Protocols: &protocols, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return c.tls, nil },
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+protectedPath, nil)
	if err != nil {
		return step, err
	}
	if t.Request != "" {
		request.URL.Path = t.Request
	}
	for _, h := range t.Header {
		request.Header[h[0]] = append(request.Header[h[0]], h[1])
	}
	answer, err := transport.RoundTrip(request)
	step.count(c.raw)
	if err != nil {
		return c.refusedH2(ctx, step, err)
	}
	step.Stage, step.Status, step.Proof = wire.StageHTTP, answer.StatusCode, answer.Header.Get(origin.ProofHeader)
	step.Reason = fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	// Of what the body says only evidence is kept: it may hold a secret.
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if step.Protected() {
		c.lab.keep(&step.seen, answer, body)
	}
	return step, errors.Join(err, answer.Body.Close())
}

// refusedH2 is refused without what the HTTP/2 client adds in its own words.
func (c *Connection) refusedH2(ctx context.Context, step Step, err error) (Step, error) {
	step, failed := c.refused(ctx, step, err)
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "remote error" {
		step.Reason = "closed without an answer"
	}
	return step, failed
}
