package bypass

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
)

// material is that of every test. Its public authority has to stand in the
// environment before anything in this process asks for the system's roots:
// crypto/x509 reads them once.
var material *Material

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	folder, err := os.MkdirTemp("", "bypass")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if material, err = NewMaterial(time.Now()); err != nil {
		return 1, err
	}
	file := filepath.Join(folder, "public.pem")
	if err := os.WriteFile(file, material.PublicRoots, 0o600); err != nil {
		return 1, err
	}
	if err := errors.Join(os.Setenv("SSL_CERT_FILE", file), os.Setenv("SSL_CERT_DIR", folder)); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// needsLoopbackNet skips where 127.0.1.1 and its like are no addresses of
// this machine, or where SSL_CERT_FILE means nothing.
func needsLoopbackNet(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs all of 127.0.0.0/8 and SSL_CERT_FILE, as on Linux")
	}
}

// local is an origin in this process.
type local struct {
	server  *origin.Server
	address netip.AddrPort
	journal *origin.Journal
	alter   func(*origin.Policy)
	sides   map[string]netip.AddrPort
}

func (o *local) Address() netip.AddrPort { return o.address }

func (o *local) Side(name string) netip.AddrPort { return o.sides[name] }

func (o *local) Reload(_ context.Context, p origin.Policy, c pki.Credentials) error {
	o.alter(&p)
	return o.server.Reload(p, c)
}

func (o *local) Audit(ctx context.Context, peer netip.AddrPort) (origin.Entry, error) {
	return o.journal.Await(ctx, peer)
}

// starter starts origins in this process. Every policy they get passes
// through alter first: where a test plants a hole.
type starter struct {
	folder  string
	alter   func(*origin.Policy)
	tickets bool
	starts  atomic.Int64

	deafToUDP bool // there is no QUIC server behind the UDP port
}

func newStarter(t *testing.T, alter func(*origin.Policy)) *starter {
	t.Helper()
	if alter == nil {
		alter = func(*origin.Policy) {}
	}
	return &starter{folder: t.TempDir(), alter: alter, tickets: true}
}

func (s *starter) start(_ context.Context, p origin.Policy, c pki.Credentials, _ Environment) (Origin, func() error, error) {
	path := filepath.Join(s.folder, fmt.Sprintf("audit-%d.jsonl", s.starts.Add(1)))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	s.alter(&p)
	server, err := origin.New(origin.Config{
		Policy: p, Credentials: c, Certificate: ServerCertificate, Group: Group, Tickets: s.tickets, Audit: file,
	})
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	listener, packets, err := origin.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	served := make(chan error, 4)
	sides := map[string]netip.AddrPort{}
	for name, side := range map[string]struct {
		at    string
		serve func(net.Listener) error
	}{SidePlain: {"127.0.0.1:0", server.ServePlain}, SideV6: {"[::1]:0", server.Serve}} {
		l, err := net.Listen("tcp", side.at)
		if err != nil {
			served <- nil // this machine has no such address
			continue
		}
		sides[name] = netip.MustParseAddrPort(l.Addr().String())
		go func() { served <- side.serve(l) }()
	}
	go func() { served <- server.Serve(listener) }()
	go func() {
		if s.deafToUDP {
			served <- packets.Close()
			return
		}
		served <- server.ServeQUIC(packets)
	}()
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return errors.Join(server.Shutdown(ctx), <-served, <-served, <-served, <-served, file.Close())
	}
	address := netip.MustParseAddrPort(listener.Addr().String())
	return &local{server: server, address: address, journal: origin.OpenJournal(path), alter: s.alter, sides: sides}, stop, nil
}

// brief is enough of a flood to see how it ends.
var brief = Floods{Attempts: 4, Window: time.Millisecond}

// measured runs a plan with the tests' material.
func measured(t *testing.T, plan Plan, s *starter) []Row {
	t.Helper()
	rows, err := Runner{Start: s.start, Material: material, Floods: brief, Attempts: 20}.Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
