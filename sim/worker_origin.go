package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/originpull/originpull/origin"
)

// drainTimeout bounds how long an origin waits for its last connections.
const drainTimeout = 5 * time.Second

// originWorker is the built-in origin in a process of its own.
type originWorker struct {
	server  *origin.Server
	audit   *os.File
	planter planter
	served  func() error // waits for Serve and returns its error
	// sockets opens what the server listens on; nil: originSockets.
	sockets func(ctx context.Context, quic bool) (net.Listener, net.PacketConn, error)
}

func (w *originWorker) start(ctx context.Context, s *Start) (Answer, error) {
	cfg := originConfig(s)
	if s.Audit != "" {
		file, err := os.OpenFile(s.Audit, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return Answer{}, fmt.Errorf("opening the audit log: %w", err)
		}
		w.audit = file
		cfg.Audit = file
	}
	server, err := origin.New(cfg)
	if err != nil {
		return Answer{}, err
	}
	sockets := w.sockets
	if sockets == nil {
		sockets = originSockets
	}
	listener, packets, err := sockets(ctx, s.QUIC)
	if err != nil {
		return Answer{}, fmt.Errorf("listening: %w", err)
	}
	sides, err := w.listenAside(s.QUIC)
	if err != nil {
		return Answer{}, err
	}
	served := make(chan error, 4)
	for _, side := range sides {
		go func() { served <- side.serve(server) }()
	}
	go func() { served <- server.Serve(listener) }()
	go func() {
		if packets == nil {
			served <- nil
			return
		}
		served <- server.ServeQUIC(packets)
	}()
	w.server, w.served = server, sync.OnceValue(func() error {
		err := errors.Join(<-served, <-served)
		for range sides {
			err = errors.Join(err, <-served)
		}
		return err
	})
	w.planter.share = s.Arm.Settings.Origin.Plant.CPU
	return Answer{Type: msgReady, Addresses: addresses(listener, sides)}, w.planter.begin()
}

// aside is a listener beside the TLS port.
type aside struct {
	net.Listener
	plain bool
}

func (s aside) serve(server *origin.Server) error {
	if s.plain {
		return server.ServePlain(s.Listener)
	}
	return server.Serve(s.Listener)
}

// listenAside opens what attempts want beside the TLS port: plaintext, and TLS
// over IPv6 where the machine has it. Nothing without them.
func (w *originWorker) listenAside(wanted bool) ([]aside, error) {
	if !wanted {
		return nil, nil
	}
	plain, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening on loopback: %w", err)
	}
	sides := []aside{{plain, true}}
	if v6, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		sides = append(sides, aside{v6, false})
	}
	return sides, nil
}

// addresses are those of the TLS port and of what stands beside it, in order.
func addresses(first net.Listener, sides []aside) []string {
	all := []string{first.Addr().String()}
	for _, s := range sides {
		all = append(all, s.Addr().String())
	}
	return all
}

// also serves what comes to another listener.
func (w *originWorker) also(listener net.Listener) {
	before, served := w.served, make(chan error, 1)
	go func() { served <- w.server.Serve(listener) }()
	w.served = sync.OnceValue(func() error { return errors.Join(before(), <-served) })
}

// originSockets listens on a port of loopback: TCP, and with QUIC the UDP port
// of the same number, else nil.
func originSockets(ctx context.Context, quic bool) (net.Listener, net.PacketConn, error) {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	if quic {
		return origin.Listen(at)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", at.String())
	return listener, nil, err
}

func (w *originWorker) handle(ctx context.Context, c Command) (Answer, error) {
	if w.server == nil {
		return Answer{}, fmt.Errorf("%q before start", c.Type)
	}
	switch c.Type {
	case msgReload:
		if c.Reload == nil {
			return Answer{}, errors.New("a reload message without its content")
		}
		if err := w.server.Reload(c.Reload.Policy, c.Reload.Credentials); err != nil {
			return Answer{}, err
		}
		return Answer{Type: msgReloaded}, nil
	case msgPlant:
		return w.planter.handle(c.Plant)
	case msgDrain:
		ctx, cancel := context.WithTimeout(ctx, drainTimeout)
		defer cancel()
		if err := w.server.Shutdown(ctx); err != nil {
			return Answer{}, fmt.Errorf("draining: %w", err)
		}
		if err := w.served(); err != nil {
			return Answer{}, fmt.Errorf("serving: %w", err)
		}
		counts := w.server.Counts()
		return Answer{Type: msgSummary, Origin: &counts}, nil
	}
	return Answer{}, fmt.Errorf("an origin has no command %q", c.Type)
}

func (w *originWorker) close() {
	if w.server != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // at once: whoever wanted the counts has drained before
		_ = w.server.Shutdown(ctx)
		_ = w.served()
	}
	if w.audit != nil {
		_ = w.audit.Close()
	}
}
