package bypass

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// quicPatience is how long an attempt over QUIC waits for the first word: an
// origin that filters its UDP port never says one.
const quicPatience = 500 * time.Millisecond

// TryQUIC is Try over QUIC and HTTP/3. Where nothing comes back it gives up
// early, and the step is Silent: whether that was a refusal is the audit log's
// to say.
func (l *Lab) TryQUIC(ctx context.Context, t Try) (Step, error) {
	limited, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	source := t.Source
	if !source.IsValid() {
		source = l.Attacker
	}
	step := Step{Name: t.Name, Stage: wire.StageTCP, Lacks: t.Lacks}
	packets, err := wire.Dialer{Source: source}.OpenPackets(limited, l.Target)
	if err != nil {
		return step, fmt.Errorf("%s: opening a socket on %s: %w", t.Name, source, err)
	}
	step.Local = netip.MustParseAddrPort(packets.LocalAddr().String())
	if l.pristine.Uses(origin.Allowlist) && !t.leg { // elsewhere an origin that is silent is only slow
		early := time.AfterFunc(min(quicPatience, l.patience), func() {
			if packets.Counts().Received == 0 {
				cancel()
			}
		})
		defer early.Stop()
	}
	cfg := l.clientConfig(t)
	cfg.NextProtos = []string{http3.NextProtoH3}
	conn, trace, err := wire.HandshakeQUIC(limited, packets, wire.QUICConfig{Target: l.Target, TLS: cfg})
	step.Stage, step.Resumed = trace.Stage, trace.Resumed
	if err == nil {
		step.seen.handshake(trace, conn.ConnectionState().TLS, l.shows(t))
		step, err = l.requestQUIC(limited, conn, step, t)
		// The socket was the attempt's own; how it closes is nobody's concern.
		_ = conn.Close(uint64(http3.ErrCodeNoError))
	}
	switch {
	case err == nil:
		return step, nil
	case ctx.Err() != nil:
		return step, fmt.Errorf("%s: %w", t.Name, ctx.Err())
	case packets.Counts().Received == 0:
		step.Silent, step.Reason = true, "no word from the origin"
		return step, nil
	case limited.Err() != nil:
		return step, fmt.Errorf("%s: %w", t.Name, err)
	}
	step.Reason = quicRefusal(err)
	return step, nil
}

// requestQUIC sends the request of t and reads the answer.
func (l *Lab) requestQUIC(ctx context.Context, conn *wire.QUIC, step Step, t Try) (Step, error) {
	host := t.Host
	if host == "" {
		host = Host
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+cmp.Or(t.Request, protectedPath), nil)
	if err != nil {
		return step, err
	}
	for _, h := range t.Header {
		request.Header[h[0]] = append(request.Header[h[0]], h[1])
	}
	client := (&http3.Transport{DisableCompression: true}).NewClientConn(conn.Conn)
	answer, err := client.RoundTrip(request)
	if err != nil {
		return step, err
	}
	step.Stage, step.Status, step.Proof = wire.StageHTTP, answer.StatusCode, answer.Header.Get(origin.ProofHeader)
	step.Reason = answer.Status
	// Of what the body says only evidence is kept, because it may hold a secret;
	// that it breaks off is nobody's concern.
	if step.Protected() && !t.leg && l.pristine.Mistake == "" {
		body, _ := io.ReadAll(io.LimitReader(answer.Body, lookedAt))
		l.keep(&step.seen, answer, body)
	}
	_ = answer.Body.Close()
	return step, nil
}

// quicRefusal is what the client saw, without what differs from run to run.
func quicRefusal(err error) string {
	transport, ok := errors.AsType[*quic.TransportError](err)
	if ok && transport.Remote {
		return "remote error: " + transport.ErrorCode.String()
	}
	return err.Error()
}

// pullQUIC is Pull over QUIC.
func (l *Lab) pullQUIC(ctx context.Context) error {
	step, err := l.TryQUIC(ctx, Try{
		Name: "the legitimate edge", leg: true, Source: edgeAddress, Certificate: edgeCertificate,
		Header: [][2]string{{SecretHeader, l.Secret()}},
	})
	switch {
	case err != nil:
		return err
	case step.Silent && !l.dropped(ctx, step):
		return errUnreachable
	case !step.Protected():
		return fmt.Errorf("over HTTP/3: %s", step.Reason)
	}
	return nil
}

// dropped says whether the origin owns up to its silence.
func (l *Lab) dropped(ctx context.Context, step Step) bool {
	_, err := l.Audit(ctx, step.Local)
	return err == nil
}
