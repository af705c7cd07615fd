package bypass

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
)

var one = Plan{Cases: []string{"A01"}, Strategies: []string{"mtls"}, TLS: []string{"1.3"}, Protocols: []string{overH1}}

func TestRunTellsProgress(t *testing.T) {
	needsLoopbackNet(t)
	var seen []string
	s := newStarter(t, nil)
	runner := Runner{Start: s.start, Material: material, Progress: func(done, total int) { seen = append(seen, fmt.Sprint(done, total)) }}
	rows, err := runner.Run(t.Context(), Plan{Cases: []string{"C02", "A13"}, Strategies: []string{"mtls"}, TLS: []string{"1.3"}})
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if want := []string{"1 4", "2 4", "3 4", "4 4"}; !slices.Equal(seen, want) {
		t.Errorf("progress %q, want %q", seen, want)
	}
	if n := s.starts.Load(); n != 3 {
		t.Errorf("%d origins were started, want one for each of the 3 policies", n)
	}
}

func TestRunRefusesAnUnknownCase(t *testing.T) {
	_, err := Run(t.Context(), Plan{Cases: []string{"Z99"}}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), `unknown bypass case "Z99"`) {
		t.Errorf("error is %v", err)
	}
}

func TestRunKeepsWhatWasMeasuredWhenStopped(t *testing.T) {
	needsLoopbackNet(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rows, err := Run(ctx, Plan{}, newStarter(t, nil).start, func(done, _ int) {
		if done == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(rows) != 3 {
		t.Fatalf("%d rows, error %v; want the 3 measured ones and a cancellation", len(rows), err)
	}
	for _, r := range rows {
		if !r.OK {
			t.Errorf("not ok: %+v", r)
		}
	}
}

// TestRunGoesOnWithoutAnOrigin: one that does not start is the reason of its
// own rows only; one that does not stop is an error of the run.
func TestRunGoesOnWithoutAnOrigin(t *testing.T) {
	needsLoopbackNet(t)
	s := newStarter(t, nil)
	start := func(ctx context.Context, p origin.Policy, c pki.Credentials, env Environment) (Origin, func() error, error) {
		if p.Mistake != "" {
			return nil, nil, errors.New("no such file")
		}
		o, stop, err := s.start(ctx, p, c, env)
		return o, func() error { return errors.Join(stop(), errors.New("it was killed")) }, err
	}
	rows, err := Runner{Start: start, Material: material}.Run(t.Context(), one)
	if err == nil || err.Error() != "stopping the origin of mtls: it was killed" {
		t.Errorf("error is %v", err)
	}
	if len(rows) != 2 || !rows[0].OK {
		t.Fatalf("rows %+v", rows)
	}
	if r := rows[1]; r.OK || r.Measured != NotRun || r.Detail != "starting the origin: no such file" {
		t.Errorf("row %+v", r)
	}
}

// TestNotOK is what is wrong with an origin, and how its row says so.
func TestNotOK(t *testing.T) {
	needsLoopbackNet(t)
	elsewhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	tests := []struct {
		name     string
		plan     Plan
		start    func(*starter) Starter
		alter    func(*origin.Policy)
		measured Verdict
		detail   string
		legs     [2]bool
	}{
		{
			name: "edge refused at tcp", plan: Plan{Cases: []string{"A01"}, Strategies: []string{"allowlist"}},
			alter:    func(p *origin.Policy) { p.Allow = elsewhere },
			measured: Denied, detail: "before the attempt the legitimate edge failed",
		},
		{
			name: "edge refused at http", plan: Plan{Cases: []string{"A01"}, Strategies: []string{"header"}},
			alter:    func(p *origin.Policy) { p.Secret = nextSecret },
			measured: Denied, detail: "before the attempt the legitimate edge failed",
		},
		{
			name: "rotation without overlap", plan: Plan{Cases: []string{"B04"}, Strategies: []string{"header"}},
			alter:    func(p *origin.Policy) { p.PreviousSecret = "" },
			measured: Denied, detail: "during the overlap the old secret was refused",
			legs: [2]bool{true, false},
		},
		{
			name: "no tickets", plan: Plan{Cases: []string{"D09"}, Strategies: []string{"mtls"}},
			start:    func(s *starter) Starter { s.tickets = false; return s.start },
			measured: NotRun, detail: "the session was not resumed",
			legs: [2]bool{true, true},
		},
		{
			name: "no audit log", plan: one,
			start:    func(s *starter) Starter { return wrapped(s, func(o Origin) Origin { return deaf{o} }) },
			measured: NotRun, detail: "the log is lost", legs: [2]bool{true, true},
		},
		{
			name: "wrong reason", plan: one,
			start:    func(s *starter) Starter { return wrapped(s, func(o Origin) Origin { return liar{o} }) },
			measured: Blocked, detail: `step "direct request" was refused for "secret"`, legs: [2]bool{true, true},
		},
		{
			name: "no UDP port", plan: Plan{Cases: []string{"A13"}, Strategies: []string{"allowlist"}, TLS: []string{"1.3"}},
			start:    func(s *starter) Starter { s.deafToUDP = true; return s.start },
			measured: NotRun, detail: "before the attempt the legitimate edge failed: nothing answers at the origin's address",
		},
		{
			name: "edge refused over QUIC", plan: Plan{Cases: []string{"A13"}, Strategies: []string{"allowlist"}, TLS: []string{"1.3"}},
			alter:    func(p *origin.Policy) { p.Allow = elsewhere },
			measured: Denied, detail: "before the attempt the legitimate edge failed: over HTTP/3: no word from the origin",
		},
		{
			name: "gone", plan: one,
			start:    func(*starter) Starter { return gone },
			measured: NotRun, detail: "nothing answers at the origin's address",
		},
		{
			name: "silent", plan: one,
			start:    func(*starter) Starter { return silent },
			measured: NotRun, detail: "before the attempt the legitimate edge failed",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStarter(t, test.alter)
			start := s.start
			if test.start != nil {
				start = test.start(s)
			}
			runner := Runner{Start: start, Material: material}
			if test.name == "no UDP port" {
				runner.Patience = 200 * time.Millisecond
			}
			if test.name == "silent" {
				runner.Patience = 20 * time.Millisecond
			}
			rows, err := runner.Run(t.Context(), test.plan)
			if err != nil {
				t.Fatal(err)
			}
			r := rows[0]
			if r.OK || r.Measured != test.measured || !strings.Contains(r.Detail, test.detail) || [2]bool{r.LegBefore, r.LegAfter} != test.legs {
				t.Errorf("row is %+v, want %s, legs %t, %q", r, test.measured, test.legs, test.detail)
			}
		})
	}
}

// TestRunStopsAtAPolicyItCannotRestore: what later rows would meet is unknown.
func TestRunStopsAtAPolicyItCannotRestore(t *testing.T) {
	needsLoopbackNet(t)
	start := wrapped(newStarter(t, nil), func(o Origin) Origin { return &stuck{Origin: o} })
	rows, err := Runner{Start: start, Material: material}.Run(t.Context(), Plan{Cases: []string{"A01", "C11", "D13"}, Strategies: []string{"mtls"}, TLS: []string{"1.3"}, Protocols: []string{overH1}})
	if err != nil {
		t.Fatal(err)
	}
	// Rows 0, 2 and 4 share the correct policy; each control has its own.
	for i, want := range []string{"", "", "could not be restored after C11: reloading the origin: stuck", "", "could not be restored after C11: reloading the origin: stuck", ""} {
		if want == "" {
			continue
		}
		if r := rows[i]; r.OK || !strings.Contains(r.Detail, want) {
			t.Errorf("row %d is %+v, want %q", i, r, want)
		}
	}
	if rows[4].Measured != NotRun || !rows[0].OK || !rows[1].OK {
		t.Errorf("rows %+v", rows)
	}
}

// wrapped starts origins with something wrong in between.
func wrapped(s *starter, wrap func(Origin) Origin) Starter {
	return func(ctx context.Context, p origin.Policy, c pki.Credentials, env Environment) (Origin, func() error, error) {
		o, stop, err := s.start(ctx, p, c, env)
		if err != nil {
			return nil, nil, err
		}
		return wrap(o), stop, nil
	}
}

// deaf has lost its audit log.
type deaf struct{ Origin }

func (deaf) Audit(context.Context, netip.AddrPort) (origin.Entry, error) {
	return origin.Entry{}, errors.New("the log is lost")
}

// liar gives the wrong reason.
type liar struct{ Origin }

func (liar) Audit(context.Context, netip.AddrPort) (origin.Entry, error) {
	return origin.Entry{Verdict: origin.Refused, Proof: "secret", Reason: "wrong"}, nil
}

// stuck takes one Reload and no more.
type stuck struct {
	Origin
	reloads int
}

func (o *stuck) Reload(ctx context.Context, p origin.Policy, c pki.Credentials) error {
	if o.reloads++; o.reloads > 1 {
		return errors.New("stuck")
	}
	return o.Origin.Reload(ctx, p, c)
}

// gone is an origin whose port nobody listens on any more.
func gone(context.Context, origin.Policy, pki.Credentials, Environment) (Origin, func() error, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	address := netip.MustParseAddrPort(listener.Addr().String())
	return &local{address: address}, func() error { return nil }, listener.Close()
}

// silent accepts connections, by the kernel's backlog, and never answers.
func silent(context.Context, origin.Policy, pki.Credentials, Environment) (Origin, func() error, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	return &local{address: netip.MustParseAddrPort(listener.Addr().String())}, listener.Close, nil
}
