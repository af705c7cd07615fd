package origin

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	// startWithin bounds the wait for the first answer.
	startWithin = 15 * time.Second
	// startTries is how often a start is tried again on other ports after
	// another process took one.
	startTries = 3
)

// errPortTaken is a start that lost its port to another process.
var errPortTaken = errors.New("a port was taken by another process")

// Start runs the server on the setup and returns when it answers. ctx bounds
// the start, not the server's life: Stop ends that. The server's folder is
// private and gone when Start fails or Stop returns. An error of a server that
// did not come up holds what the server said.
func (d Driver) Start(ctx context.Context, s Setup) (*Running, error) {
	var err error
	if s.Config, err = s.Config.withDefaults(); err != nil {
		return nil, fmt.Errorf("server %s: %w", d.Name, err)
	}
	found, err := d.Find(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.Check(found, s); err != nil {
		return nil, err
	}
	// The built-in guard knows every unsafe policy; what it refuses is refused
	// here too. Its pin is its own affair when the policy is to be weaker.
	if _, err := newGuard(s.Config.Policy, s.Config.Credentials, true, nil); err != nil {
		return nil, fmt.Errorf("server %s: %w", d.Name, err)
	}
	if !serversRun {
		return nil, fmt.Errorf("server %s: real servers are run on Linux only: use the built-in origin here", d.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for try := 1; ; try++ {
		r, err := d.start(ctx, found, s)
		if err == nil {
			return r, nil
		}
		if try == startTries || !errors.Is(err, errPortTaken) {
			return nil, fmt.Errorf("server %s: %w", d.Name, err)
		}
	}
}

// start is one try on ports that were free a moment ago.
func (d Driver) start(ctx context.Context, found Installed, s Setup) (_ *Running, err error) {
	dir, owner, err := newFolder(d.Name)
	if err != nil {
		return nil, err
	}
	r := &Running{driver: d, ledger: newLedger(s.Config), exited: make(chan struct{})}
	s.Sides = s.Sides && len(d.sides) > 0
	r.rendering = &rendering{Setup: s, found: found, dir: dir, owner: owner, ready: "/ready-" + rand.Text()}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.end(), os.RemoveAll(dir), owner.Close())
		}
	}()
	if err := r.takePorts(); err != nil {
		return nil, err
	}
	r.ledger.control = r.control.String()
	if r.plain.IsValid() {
		r.ledger.plain = r.plain.String()
	}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	how, err := d.render(r.rendering)
	if err != nil {
		return nil, err
	}
	if err := r.launch(how); err != nil {
		return nil, err
	}
	return r, r.awaitReady(ctx)
}

// groundControl is the control listener of a server that has a network to
// itself, where every port is free.
var groundControl = netip.MustParseAddrPort("127.0.0.1:8080")

// there runs f in the network that the server is in.
func (r *rendering) there(f func() error) error {
	if r.Ground == nil {
		return f()
	}
	return r.Ground.Do(f)
}

// takePorts holds all ports until each is known, so that they differ.
func (r *rendering) takePorts() error {
	if r.Ground != nil {
		r.tls, r.control = r.At, groundControl
		return r.Ground.Own(r.At.Addr())
	}
	wanted := []*netip.AddrPort{&r.tls, &r.control}
	if r.Baseline || r.Sides {
		wanted = append(wanted, &r.plain)
	}
	if r.Sides {
		wanted = append(wanted, &r.v6)
	}
	var held []net.Listener
	for _, at := range wanted {
		address := "127.0.0.1:0"
		if at == &r.v6 {
			address = "[::1]:0"
		}
		l, err := net.Listen("tcp", address)
		if err != nil && at == &r.v6 {
			continue // this machine has none
		}
		if err != nil {
			return fmt.Errorf("free port: %w", err)
		}
		held = append(held, l)
		*at = netip.MustParseAddrPort(l.Addr().String())
	}
	for _, l := range held {
		if err := l.Close(); err != nil {
			return fmt.Errorf("free port: %w", err)
		}
	}
	return nil
}

// launch starts the process. Its goroutine stays on one thread for the
// server's whole life: Pdeathsig is about that thread (golang/go#27505).
func (r *Running) launch(how launch) error {
	output, err := os.OpenFile(filepath.Join(r.dir, outputFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("private folder: %w", err)
	}
	stdout := output
	if how.logsToStdout != "" {
		if stdout, err = os.OpenFile(filepath.Join(r.dir, how.logsToStdout), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return errors.Join(fmt.Errorf("private folder: %w", err), output.Close())
		}
	}
	if err := giveAway(r.dir); err != nil {
		return fmt.Errorf("private folder: %w", err)
	}
	cmd := exec.Command(r.found.Path, how.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, stdout, output
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "TMPDIR=" + r.dir, "LC_ALL=C"}, how.env...)
	confine(cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := r.there(cmd.Start)
		started <- err
		if err != nil {
			return
		}
		r.waitErr = cmd.Wait()
		close(r.exited)
	}()
	if err := <-started; err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", r.found.Path, err), closeFiles(stdout, output))
	}
	r.process = cmd.Process
	return closeFiles(stdout, output)
}

func closeFiles(a, b *os.File) error {
	if a == b {
		return a.Close()
	}
	return errors.Join(a.Close(), b.Close())
}

// awaitReady asks the control listener until it gives the answer that only
// this server knows.
func (r *Running) awaitReady(ctx context.Context) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if status, _, err := r.askControl(ctx, r.ready); err == nil && status == http.StatusNoContent && r.opened() {
			return nil
		}
		select {
		case <-r.exited:
			return r.died("it ended before it answered")
		case <-ctx.Done():
			return fmt.Errorf("it did not answer on %s: %w: %s", r.control, ctx.Err(), r.Output())
		case <-ticker.C:
		}
	}
}

// opened asks, where the server is, whether all of its sockets are open.
func (r *Running) opened() (open bool) {
	err := r.there(func() error {
		open = r.listens() && r.udpReady()
		return nil
	})
	return open && err == nil
}

// listens says whether the listeners of pulls are open too: a server opens its
// listeners in an order of its own (Caddy: a random one), and the one that it is
// asked on may be first. Connecting would tell, and be counted as a connection.
func (r *Running) listens() bool {
	return listening(r.tls) && (!r.plain.IsValid() || listening(r.plain))
}

// udpReady says whether somebody has the UDP port where HTTP/3 is wanted: a
// server may open it after the listener that it is asked on. Nobody hears of a
// datagram that came too early.
func (r *Running) udpReady() bool {
	if r.Protocol != ProtocolH3 {
		return true
	}
	socket, err := net.ListenPacket("udp", r.tls.String())
	if err != nil {
		return true
	}
	_ = socket.Close() // nothing was sent
	return false
}

// died tells a lost port from everything else by what servers call it.
func (r *Running) died(what string) error {
	output := r.Output()
	err := fmt.Errorf("%s (%s); it said: %s", what, exitText(r.waitErr), output)
	if strings.Contains(strings.ToLower(output), "address already in use") || strings.Contains(output, "cannot bind socket") {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}

func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// askControl makes one request on a connection of its own to the listener that
// carries no content.
func (r *Running) askControl(ctx context.Context, path string) (int, string, error) {
	dialer := net.Dialer{Timeout: time.Second}
	var conn net.Conn
	err := r.there(func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp", r.control.String())
		return err
	})
	if err != nil {
		return 0, "", err
	}
	defer closeRaw(conn)
	r.asked.Add(1)
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, "", err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: control\r\nConnection: close\r\n\r\n", path); err != nil {
		return 0, "", err
	}
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	return reply.StatusCode, string(body), errors.Join(err, reply.Body.Close())
}
