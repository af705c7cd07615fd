package bypass

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/originpull/originpull/wire"
)

// floodPatience is less than an origin's own timeouts, so that whether it holds
// on to what it was sent is still to be seen.
func (l *Lab) floodPatience() time.Duration { return min(l.patience, 2*time.Second) }

// attack opens a connection of an attempt of family F.
func (l *Lab) attack(ctx context.Context) (*wire.Conn, error) {
	raw, err := wire.Dialer{Source: l.Attacker, Timeout: l.floodPatience()}.Dial(ctx, l.Target)
	if l.server != "" && errors.Is(err, syscall.ECONNRESET) {
		return nil, errTurnedAway
	}
	if err != nil {
		return nil, fmt.Errorf("dialing from %s: %w", l.Attacker, err)
	}
	return raw, raw.SetDeadline(time.Now().Add(l.floodPatience()))
}

// errTurnedAway is a server that closed what it had accepted before connect
// returned.
var errTurnedAway = errors.New("turned away at accept")

// spent is the attempt's part of the bytes.
func spent(raw *wire.Conn, ended string) burst {
	counts := raw.Counts()
	return burst{sent: counts.Sent, received: counts.Received, ended: ended}
}

// leftOpen sends a text, or nothing, and leaves the connection.
func leftOpen(text string) flood {
	return func(ctx context.Context, l *Lab, _ int) (burst, error) {
		raw, err := l.attack(ctx)
		if err != nil {
			return burst{}, err
		}
		// How the origin takes it shows when it is asked whether it still holds.
		_, _ = io.WriteString(raw, text)
		b := spent(raw, "")
		b.open = raw
		return b, nil
	}
}

// errDripped ends the client's part of a handshake on purpose.
var errDripped = errors.New("the rest is not sent")

// dripper sends what follows the ClientHello byte by byte, and not to its end.
type dripper struct {
	net.Conn
	begun bool
}

// drips is how many bytes are sent.
const drips = 8

func (d *dripper) Write(b []byte) (int, error) {
	const changeCipherSpec = 20
	if !d.begun || b[0] == changeCipherSpec && len(b) <= recordHeader+1 {
		d.begun = true
		return d.Conn.Write(b)
	}
	for i := range min(drips, len(b)) {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return drips, errDripped
}

func drippedFlight(ctx context.Context, l *Lab, _ int) (burst, error) {
	raw, err := l.attack(ctx)
	if err != nil {
		return burst{}, err
	}
	// The client's flight stops by itself; whoever closed before has not held.
	_ = tls.Client(&dripper{Conn: raw}, l.clientConfig(Try{Certificate: selfSigned})).Handshake()
	b := spent(raw, "")
	b.open = raw
	return b, nil
}

// slowBody reads the answer; an origin that waits for the body holds.
func slowBody(ctx context.Context, l *Lab, _ int) (burst, error) {
	raw, err := l.attack(ctx)
	if err != nil {
		return burst{}, err
	}
	conn := tls.Client(raw, l.clientConfig(Try{}))
	if err := conn.HandshakeContext(ctx); err != nil {
		return spent(raw, "refused at tls"), raw.Close()
	}
	// A failed write says nothing yet: the answer may be waiting to be read.
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\nbegun", protectedPath, Host, 1<<30)
	if err := raw.SetReadDeadline(time.Now().Add(streamPatience)); err != nil {
		return burst{open: conn}, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	ended := "closed without an answer"
	if errors.Is(err, os.ErrDeadlineExceeded) {
		ended = "waited for"
	}
	if err == nil {
		ended = "answered with " + fmt.Sprint(answer.StatusCode)
		_ = answer.Body.Close() // of no interest
	}
	b := spent(raw, ended)
	b.open = conn
	return b, nil
}
