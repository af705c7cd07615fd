package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// holdCommand is the argument that makes this program the holder.
const holdCommand = "hold"

const (
	heldConnections = 10_000
	heldPatience    = 2 * time.Minute
)

// holding is what a holder is told.
type holding struct {
	Origin      netip.AddrPort
	Connections int
	Credentials pki.Credentials
}

// held is what it answers.
type held struct {
	Open     int64 // connections in the pool, idle
	Before   int64 // resident bytes before the first
	Resident int64 // resident bytes after a collection
}

// memory measures what an idle pooled connection costs, and whether a worker
// grows while it runs.
func memory(ctx context.Context, l *lab, progress io.Writer) (section, error) {
	s := section{title: "Resident memory"}
	s.add("", "MB", "must", "aim", "")
	h, err := runHolder(ctx, l)
	if err != nil {
		return section{}, err
	}
	mb := float64(h.Resident) / 1e6
	_, _ = fmt.Fprintf(progress, "  %d idle connections: %.0f MB, %.0f before\n", h.Open, mb, float64(h.Before)/1e6)
	s.add(fmt.Sprintf("%d idle pooled mTLS connections, after a collection", h.Open), fmt.Sprintf("**%.0f**", mb), "150", "100", goal{must: 1 / 150.0, aim: 1 / 100.0}.verdict(1/mb))
	s.add("the same process before the first", fmt.Sprintf("%.0f", float64(h.Before)/1e6), "–", "–", "")
	grown, err := growth(ctx, l)
	if err != nil {
		return section{}, err
	}
	for i, resident := range grown {
		s.add(fmt.Sprintf("an edge worker under load after block %d", i+1), fmt.Sprintf("%.1f", float64(resident)/1e6), "flat", "flat", "")
	}
	s.end()
	return s, nil
}

func runHolder(ctx context.Context, l *lab) (held, error) {
	ctx, cancel := context.WithTimeout(ctx, heldPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], holdCommand)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return held{}, err
	}
	origin, err := startBarrier(l, heldConnections, in)
	if err != nil {
		return held{}, err
	}
	defer origin.close()
	// A pipe holds it until somebody reads.
	if err := json.NewEncoder(in).Encode(holding{
		Origin: origin.at, Connections: heldConnections,
		Credentials: pki.Credentials{Roots: map[string]string{"origin": l.roots}, Certificates: map[string]pki.KeyPair{"edge": l.client}},
	}); err != nil {
		return held{}, fmt.Errorf("telling what to hold: %w", err)
	}
	said, err := cmd.Output()
	if err != nil {
		return held{}, fmt.Errorf("holding %d connections: %w", heldConnections, err)
	}
	var h held
	if err := json.Unmarshal(said, &h); err != nil {
		return held{}, fmt.Errorf("holding %d connections: %w", heldConnections, err)
	}
	if h.Open != heldConnections {
		return held{}, fmt.Errorf("%d connections were held instead of %d", h.Open, heldConnections)
	}
	return h, nil
}

// barrier is an origin that answers nobody before all have asked, so that
// each needs a connection of its own. It reports every request that arrives.
type barrier struct {
	at     netip.AddrPort
	server *http.Server
	ended  chan struct{}
}

func startBarrier(l *lab, n int, arrived io.Writer) (*barrier, error) {
	certificate, err := tls.LoadX509KeyPair(l.file("server.pem"), l.file("server.key"))
	if err != nil {
		return nil, fmt.Errorf("the origin of the idle connections: %w", err)
	}
	roots, err := pki.Credentials{Roots: map[string]string{"origin": l.roots}}.Pool("origin")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the origin of the idle connections: %w", err)
	}
	var all sync.WaitGroup
	all.Add(n)
	var next atomic.Int64
	var body [1 << 10]byte
	b := &barrier{at: listener.Addr().(*net.TCPAddr).AddrPort(), ended: make(chan struct{})}
	b.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintln(arrived, next.Add(1)) // the holder may be gone
			all.Done()
			all.Wait()
			_, _ = w.Write(body[:]) // who has left does not count
		}),
		TLSConfig: wire.Profile{Version: "1.3", Group: "x25519"}.Server(&tls.Config{
			Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, SessionTicketsDisabled: true,
		}),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only
	}
	go func() {
		defer close(b.ended)
		_ = b.server.ServeTLS(listener, "", "") // ends when it is closed; what fails before fails the holder
	}()
	return b, nil
}

func (b *barrier) close() {
	_ = b.server.Close()
	<-b.ended
}

// growthBlocks are enough to see it fall again: between two collections Go's
// heap fills up to its target.
const growthBlocks = 10

// growth is the resident memory of a worker after each of its blocks.
func growth(ctx context.Context, l *lab) ([]int64, error) {
	session, err := startSession(ctx, l, scenario(load{tls: "1.3", mtls: true, reuse: true}, "x25519"), nil)
	if err != nil {
		return nil, err
	}
	var all []int64
	for range growthBlocks {
		if err = session.block(2*l.options.seconds, false); err != nil {
			break
		}
		var resident int64
		if resident, err = residentOf(session.cmd.Process.Pid); err != nil {
			break
		}
		all = append(all, resident)
	}
	_, endErr := session.end()
	return all, errors.Join(err, endErr)
}
