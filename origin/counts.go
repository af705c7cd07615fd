package origin

import (
	"reflect"
	"sync/atomic"
)

// Counts is what became of every connection since New, and what was served.
// Once all connections have ended,
// Accepted = Refused + Plain + Full + Resumed + Failed + NoHello + Untold.
type Counts struct {
	Accepted int64 `json:"accepted"` // TCP connections; QUIC ones by their first datagram
	Refused  int64 `json:"refused"`  // closed on their address, before any byte of ours; over UDP, peers whose datagrams were dropped
	Plain    int64 `json:"plain"`    // without TLS, on a plaintext origin
	Full     int64 `json:"full"`     // full handshakes
	Resumed  int64 `json:"resumed"`  // handshakes from a ticket
	Failed   int64 `json:"failed"`   // handshakes that began and did not finish
	NoHello  int64 `json:"noHello"`  // ended before any byte of a ClientHello
	// Untold ended without a request on a server that does not tell how their
	// handshake ended; always zero at the built-in origin.
	Untold   int64 `json:"untold,omitempty"`
	Requests int64 `json:"requests"` // requests that reached the guard, refused ones included
	// Of Requests, at the built-in origin alone: those that the guard refused, and
	// those for what is not there.
	Denied  int64 `json:"denied,omitempty"`
	Missing int64 `json:"missing,omitempty"`
	Bytes   int64 `json:"bytes"` // of response bodies of allowed requests
	// Bytes beneath TLS of the full and resumed handshakes, tickets included.
	HandshakeReceived int64 `json:"handshakeReceived"`
	HandshakeSent     int64 `json:"handshakeSent"`
}

// Ended is the sum of the ends of connections: equal to Accepted after drain.
func (c Counts) Ended() int64 {
	return c.Refused + c.Plain + c.Full + c.Resumed + c.Failed + c.NoHello + c.Untold
}

// Plus returns the sum of two origins' counts.
func (c Counts) Plus(other Counts) Counts {
	sum, more := reflect.ValueOf(&c).Elem(), reflect.ValueOf(other)
	for i := range sum.NumField() { // so that none is left out
		sum.Field(i).SetInt(sum.Field(i).Int() + more.Field(i).Int())
	}
	return c
}

type counters struct {
	accepted, refused, plain, full, resumed, failed, noHello, requests, bytes atomic.Int64
	denied, missing, handshakeReceived, handshakeSent                         atomic.Int64
}

func (c *counters) read() Counts {
	return Counts{
		Accepted: c.accepted.Load(), Refused: c.refused.Load(), Plain: c.plain.Load(),
		Full: c.full.Load(), Resumed: c.resumed.Load(), Failed: c.failed.Load(), NoHello: c.noHello.Load(),
		Requests: c.requests.Load(), Denied: c.denied.Load(), Missing: c.missing.Load(), Bytes: c.bytes.Load(),
		HandshakeReceived: c.handshakeReceived.Load(), HandshakeSent: c.handshakeSent.Load(),
	}
}
