package sim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// builtin is the server of the built-in origin; any other is a driver's.
const builtin = "builtin"

// serverEnd is a real server as an origin.
type serverEnd struct {
	name    string
	running *origin.Running
	drained bool
	quic    bool // the arm's connections are QUIC's
}

// startServer starts the real server that an arm asks for, behind a link where
// there is ground for it. The baseline is a plaintext listener of the same
// server with the same content.
func startServer(ctx context.Context, start *Start, ground *wire.Ground) (*serverEnd, netip.AddrPort, error) {
	name := "the origin of " + start.Arm.Name
	driver, known := origin.DriverNamed(start.Arm.Settings.Origin.Server)
	if !known {
		return nil, netip.AddrPort{}, fmt.Errorf("%s: no driver for server %q", name, start.Arm.Settings.Origin.Server)
	}
	setup := serverSetup(start)
	setup.Ground, setup.At = ground, farAddress
	running, err := driver.Start(ctx, setup)
	if err != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("%s: %w", name, err)
	}
	address := running.Address()
	if start.Arm.Plaintext {
		address = running.PlainAddress()
	}
	return &serverEnd{name: name, running: running, quic: start.Arm.overQUIC()}, address, nil
}

// serverSetup is what a driver is told. A baseline arm has a certificate too:
// its server opens both listeners.
func serverSetup(start *Start) origin.Setup {
	with := *start
	with.Certificate = credOrigin
	s := origin.Setup{Config: originConfig(&with), Baseline: start.Arm.Plaintext, Key: pki.KeyType(start.Arm.Settings.Origin.Certificate.Key), Include: start.Include}
	if protocol := start.Arm.Settings.Edge.Protocol; protocol != string(pool.H1) {
		s.Protocol = protocol
	}
	return s
}

func (s *serverEnd) pids() ([]int, error) { return s.running.Pids() }

// lastWords is how long a server gets to hear of the end of its last QUIC
// connections, which is a datagram, and to write it down.
const lastWords = 2 * time.Second

// drain stops the server: only then is everything in its logs. One that had
// ended before has lost some of it, even where children of it went on.
func (s *serverEnd) drain(ctx context.Context, made int64) (*origin.Counts, error) {
	if err := s.ended(0); err != nil {
		return nil, err
	}
	if s.quic {
		s.hear(ctx, made)
	}
	s.drained = true
	if err := s.running.Stop(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	counts, err := s.running.Counts(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return &counts, nil
}

// hear waits until the server has written of as many connections as were made.
// What it has not after lastWords shows when both ends are reconciled.
func (s *serverEnd) hear(ctx context.Context, made int64) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		counts, err := s.running.Counts(ctx)
		if err != nil || counts.Ended() >= made {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *serverEnd) stop() error {
	if s.drained {
		return nil
	}
	early := s.ended(noticeWithin)
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	return errors.Join(early, s.running.Stop(ctx))
}

// noticeWithin is how long the end of a server may go unnoticed after its edge
// has seen connections refused.
const noticeWithin = 100 * time.Millisecond

// ended says how the server ended by itself, and in its last words why; nil
// when it has not within the time given.
func (s *serverEnd) ended(within time.Duration) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-s.running.Exited():
	case <-timer.C:
		select { // both may have been ready
		case <-s.running.Exited():
		default:
			return nil
		}
	}
	return fmt.Errorf("%s ended early (%s); it said: %s", s.name, s.running.ExitText(), s.running.Output())
}

// found are the servers on this machine, looked for once.
type found map[string]foundServer

type foundServer struct {
	driver    origin.Driver
	installed origin.Installed
	err       error // why there is none
}

// server looks for the server that an arm asks for; the built-in one is
// always there.
func (f found) server(ctx context.Context, name string) foundServer {
	if s, looked := f[name]; looked {
		return s
	}
	var s foundServer
	s.driver, _ = origin.DriverNamed(name)
	s.installed, s.err = s.driver.Find(ctx)
	f[name] = s
	return s
}

// missing says why an experiment cannot run here: a server of its arms is not
// installed. "" when all are.
func (f found) missing(ctx context.Context, x *Experiment) string {
	for i := range x.Arms {
		for _, name := range x.Arms[i].servers() {
			if name == builtin {
				continue
			}
			if s := f.server(ctx, name); s.err != nil {
				return s.err.Error()
			}
		}
	}
	return ""
}
