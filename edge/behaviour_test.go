package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

// every status is one of its own, so that none can stand for another.
var every = Statuses{
	PhaseBarred: 590, PhaseWait: 591, PhaseRefused: 592, PhaseTimeout: 593,
	PhaseVerify: 594, PhaseAlert: 595, PhaseResponse: 596, PhaseTruncated: 597,
}

// away is a network whose other end does not answer, or refuses.
type away struct {
	refuse bool
	dials  atomic.Int64
}

func (n *away) Dial(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
	n.dials.Add(1)
	if n.refuse {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errors.New("connection refused"))}
	}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func (n *away) Listen(netip.AddrPort) (net.Listener, error) { return nil, errors.New("nobody is here") }

// TestConnectBudget is how long, and how often, an edge tries an origin that
// is away, and what it then says.
func TestConnectBudget(t *testing.T) {
	const timeout = 10 * time.Second
	for _, c := range []struct {
		name   string
		refuse bool
		retry  Retry
		dials  int64
		took   time.Duration
		status int
	}{
		{"once", false, Retry{}, 1, timeout, 593},
		{"once, refused", true, Retry{}, 1, 0, 592},
		{"three times ten seconds", false, Retry{Attempts: 3, On: []RetryWhen{RetryConnect}}, 3, 3 * timeout, 593},
		{"three times, refused", true, Retry{Attempts: 3, On: []RetryWhen{RetryConnect}}, 3, 0, 592},
		{"not after this failure", false, Retry{Attempts: 3, On: []RetryWhen{RetryResponse, RetryHandshake}}, 1, timeout, 593},
		{"within a budget", false, Retry{Attempts: 4, On: []RetryWhen{RetryConnect}, Budget: 15 * time.Second}, 2, 15 * time.Second, 593},
		{"within a budget that is shorter than one", false, Retry{Attempts: 4, On: []RetryWhen{RetryConnect}, Budget: 3 * time.Second}, 1, 3 * time.Second, 593},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &away{refuse: c.refuse}
				e, err := New(Config{
					Host: originName, Pool: pool.Config{DialTimeout: timeout},
					Target:    pool.Target{Address: at, Dialer: wire.Dialer{Network: network}},
					Behaviour: Behaviour{Retry: c.retry, Status: every},
				})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				reply, err := e.Pull(t.Context(), Viewer{Path: "/"})
				if took := time.Since(start); err == nil || took != c.took || network.dials.Load() != c.dials || reply.Status != c.status {
					t.Errorf("%d dials in %s, status %d: %v", network.dials.Load(), took, reply.Status, err)
				}
				if len(reply.Earlier) != int(c.dials)-1 || reply.Exchange == nil || reply.Exchange.Failed != pool.StageTCP {
					t.Errorf("exchanges %+v, %+v", reply.Earlier, reply.Exchange)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestBehaviourTowardsTheOrigin is what an edge puts up with in an origin.
func TestBehaviourTowardsTheOrigin(t *testing.T) {
	for _, c := range []struct {
		name      string
		origin    func(*tls.Config)
		target    func(*pool.Target)
		behaviour Behaviour
		phase     Phase // "" is an answer
	}{
		{name: "asked", behaviour: Behaviour{}},
		{name: "not asked", origin: notAsking, behaviour: Behaviour{}, phase: PhaseAlert},
		{name: "not asked, and continuing", origin: notAsking, behaviour: Behaviour{ContinueWithoutClientCertificate: true}},
		{name: "not asked, with nothing to show", origin: notAsking, target: bare, behaviour: Behaviour{}},
		{name: "asked, with nothing to show", target: bare, behaviour: Behaviour{ContinueWithoutClientCertificate: true}, phase: PhaseAlert},
		{name: "a stranger", target: strange, behaviour: Behaviour{}, phase: PhaseVerify},
		{name: "another name", target: renamed, behaviour: Behaviour{}, phase: PhaseVerify},
		{name: "a stranger, and accepting any", target: strange, behaviour: Behaviour{AcceptAnyOriginCertificate: true}},
		{name: "another name, and accepting any", target: renamed, behaviour: Behaviour{AcceptAnyOriginCertificate: true}},
	} {
		for _, version := range wire.Versions() {
			t.Run(c.name+", TLS "+version, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLabWith(t, version, c.origin)
					if c.target != nil {
						c.target(&l.target)
					}
					c.behaviour.Status = every
					e, err := New(Config{Host: originName, Target: l.target, Behaviour: c.behaviour})
					if err != nil {
						t.Fatal(err)
					}
					reply, err := e.Pull(t.Context(), Viewer{Path: "/"})
					want := 200
					if c.phase != "" {
						want = every[c.phase]
					}
					if reply.Status != want || (err == nil) != (c.phase == "") {
						t.Errorf("status %d instead of %d: %v", reply.Status, want, err)
					}
					if sent := l.requests(); (sent == 1) != (c.phase == "") {
						t.Errorf("%d requests reached the origin", sent)
					}
					if errors.Is(err, pool.ErrNotAsked) != (c.name == "not asked") {
						t.Errorf("error %v", err)
					}
					l.end(t, e)
				})
			})
		}
	}
}

func notAsking(c *tls.Config) { c.ClientAuth = tls.NoClientCert }
func bare(t *pool.Target)     { t.TLS = t.TLS.Clone(); t.TLS.Certificates = nil }
func strange(t *pool.Target)  { t.TLS = t.TLS.Clone(); t.TLS.RootCAs = x509.NewCertPool() }
func renamed(t *pool.Target)  { t.ServerName = "other.test" }
func (l *lab) end(t *testing.T, e *Edge) {
	t.Helper()
	if err := errors.Join(e.Close(), l.server.Close()); err != nil {
		t.Error(err)
	}
	l.served.Wait()
	if s := e.Stats().Pool; s.Connects != s.HandshakesFull+s.HandshakesResumed+s.HandshakesFailed || s.Open != 0 {
		t.Errorf("counts do not reconcile: %+v", s)
	}
}

// TestResumptionNeedsNoQuestion: an origin asks when a session begins, and a
// resumed handshake, which has no question, is none that was not asked.
func TestResumptionNeedsNoQuestion(t *testing.T) {
	for _, version := range wire.Versions() {
		synctest.Test(t, func(t *testing.T) {
			l := newLabWith(t, version, nil)
			l.target.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			l.target.TLS.SessionTicketsDisabled = false
			e, err := New(Config{Host: originName, Target: l.target})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if reply, _ := pull(t, e, "/"); reply.Exchange.Trace.Resumed != (i > 0) {
					t.Errorf("TLS %s: pull %d resumed: %v", version, i, reply.Exchange.Trace.Resumed)
				}
			}
			l.end(t, e)
		})
	}
}

// TestRefusedRequests is CloudFront's refusal, which depends on the edge
// having a client certificate.
func TestRefusedRequests(t *testing.T) {
	grpc := http.Header{"Content-Type": {"application/grpc+proto"}}
	socket := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"h2c, WebSocket"}}
	for _, c := range []struct {
		name    string
		header  http.Header
		refuses []RequestKind
		bare    bool
		status  int
	}{
		{"grpc", grpc, []RequestKind{GRPC, WebSocket}, false, 590},
		{"websocket", socket, []RequestKind{GRPC, WebSocket}, false, 590},
		{"grpc, only websocket refused", grpc, []RequestKind{WebSocket}, false, 200},
		{"websocket, only grpc refused", socket, []RequestKind{GRPC}, false, 200},
		{"grpc, none refused", grpc, nil, false, 200},
		{"grpc, without a certificate", grpc, []RequestKind{GRPC, WebSocket}, true, 200},
		{"grpc-web", http.Header{"Content-Type": {"application/grpc-web"}}, []RequestKind{GRPC}, false, 200},
		{"an ordinary request", nil, []RequestKind{GRPC, WebSocket}, false, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLabWith(t, "1.3", notAsking)
				if c.bare {
					bare(&l.target)
				}
				e, err := New(Config{Host: originName, Target: l.target, Behaviour: Behaviour{
					ContinueWithoutClientCertificate: true, Refuses: c.refuses, Status: every,
				}})
				if err != nil {
					t.Fatal(err)
				}
				reply, err := e.Pull(t.Context(), Viewer{Method: "POST", Path: "/", Header: c.header})
				if reply.Status != c.status || errors.Is(err, ErrBarred) != (c.status == 590) || (reply.Exchange == nil) != (c.status == 590) {
					t.Errorf("status %d, exchange %v: %v", reply.Status, reply.Exchange, err)
				}
				l.end(t, e)
			})
		})
	}
}

// TestSlowResponses is an origin that answers late, or breaks off.
func TestSlowResponses(t *testing.T) {
	const timeout = time.Second
	on := []RetryWhen{RetryResponse}
	for _, c := range []struct {
		method, path string
		retry        Retry
		requests     int
		status       int
	}{
		{"GET", "/late", Retry{}, 1, 596},
		{"GET", "/late", Retry{Attempts: 3, On: on}, 3, 596},
		{"POST", "/late", Retry{Attempts: 3, On: on}, 1, 596},
		{"GET", "/late", Retry{Attempts: 3, On: []RetryWhen{RetryConnect}}, 1, 596},
		{"GET", "/once-late", Retry{Attempts: 3, On: on}, 2, 200},
		{"GET", "/broken", Retry{Attempts: 3, On: on}, 1, 597},
	} {
		t.Run(fmt.Sprintf("%s %s %+v", c.method, c.path, c.retry), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLabWith(t, "1.3", nil)
				e, err := New(Config{
					Host: originName, Target: l.target, Pool: pool.Config{Reuse: true, ResponseTimeout: timeout},
					Cache: cache.Config{Capacity: 1 << 20}, Behaviour: Behaviour{Retry: c.retry, Status: every},
				})
				if err != nil {
					t.Fatal(err)
				}
				reply, err := e.Pull(t.Context(), Viewer{Method: c.method, Path: c.path})
				if reply.Status != c.status || l.requests() != c.requests || (err == nil) != (c.status == 200) {
					t.Errorf("status %d after %d requests: %v", reply.Status, l.requests(), err)
				}
				if len(reply.Earlier) != c.requests-1 {
					t.Errorf("earlier %+v", reply.Earlier)
				}
				l.end(t, e)
			})
		})
	}
}

// TestCollapsedViewersHearTheSame: who waited for another's fetch is told the
// status that it failed with; who left is told none.
func TestCollapsedViewersHearTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{
			Host: originName, Cache: cache.Config{Capacity: 1 << 20}, Pool: pool.Config{DialTimeout: time.Minute},
			Target:    pool.Target{Address: at, Dialer: wire.Dialer{Network: &away{}}},
			Behaviour: Behaviour{Status: every},
		})
		if err != nil {
			t.Fatal(err)
		}
		statuses := make(chan int, 3)
		ask := func(ctx context.Context) {
			reply, err := e.Pull(ctx, Viewer{Path: "/fresh"})
			if err == nil {
				t.Error("answered")
			}
			statuses <- reply.Status
		}
		leaving, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		go ask(t.Context())
		go ask(t.Context())
		go ask(leaving)
		got := map[int]int{}
		for range 3 {
			got[<-statuses]++
		}
		if got[593] != 2 || got[0] != 1 {
			t.Errorf("statuses %v", got)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestNoStatusForWhoLeft: a viewer who gives up is told nothing, also where
// the pull was its own.
func TestNoStatusForWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{
			Host: originName, Pool: pool.Config{DialTimeout: time.Minute},
			Target:    pool.Target{Address: at, Dialer: wire.Dialer{Network: &away{}}},
			Behaviour: Behaviour{Status: every, Retry: Retry{Attempts: 3, On: []RetryWhen{RetryConnect}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		reply, err := e.Pull(ctx, Viewer{Path: "/"})
		if !errors.Is(err, context.DeadlineExceeded) || reply.Status != 0 || len(reply.Earlier) != 0 {
			t.Errorf("left with %+v: %v", reply, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPhases(t *testing.T) {
	late := fmt.Errorf("no response: %w", os.ErrDeadlineExceeded)
	untrusted := fmt.Errorf("TLS: %w", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})
	for _, c := range []struct {
		stage pool.Stage
		err   error
		want  Phase
	}{
		{pool.StageWait, context.DeadlineExceeded, PhaseWait},
		{pool.StageTCP, io.EOF, PhaseRefused},
		{pool.StageTCP, late, PhaseTimeout},
		{pool.StageTLS, untrusted, PhaseVerify},
		{pool.StageTLS, late, PhaseAlert},
		{pool.StageHTTP, late, PhaseResponse},
		{pool.StageHTTP, io.ErrUnexpectedEOF, PhaseTruncated},
		{pool.StageNone, nil, ""},
	} {
		if got := PhaseOf(c.stage, c.err); got != c.want {
			t.Errorf("%s, %v: %q instead of %q", c.stage, c.err, got, c.want)
		}
		if got := every.For(c.stage, c.err); got != every[c.want] {
			t.Errorf("%s, %v: status %d", c.stage, c.err, got)
		}
	}
}

func TestBehaviourIsChecked(t *testing.T) {
	for name, b := range map[string]Behaviour{
		"attempts": {Retry: Retry{Attempts: -1}},
		"budget":   {Retry: Retry{Budget: -1}},
		"when":     {Retry: Retry{On: []RetryWhen{"dns"}}},
		"kind":     {Refuses: []RequestKind{"ftp"}},
	} {
		if e, err := New(Config{Host: "a", Behaviour: b}); err == nil || e != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
