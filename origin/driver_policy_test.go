package origin

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/originpull/originpull/pki"
)

// refused wants a certificate to be the reason: nginx answers 400 after the
// handshake, all others end the handshake.
func (b *bench) refused(p pull, missing Proof) {
	b.t.Helper()
	got := b.pull(p)
	byNginx := b.driver.Name == "nginx" && got.err == nil && got.status == 400
	if got.served() || !byNginx && got.err == nil {
		b.t.Errorf("TLS %s, %s missing: %v, status %d", p.version, missing, got.err, got.status)
	}
	entry, err := b.running.Await(b.t.Context(), got.peer)
	if err != nil {
		b.t.Error(err)
		return
	}
	stage := StageTLS
	if b.driver.Name == "nginx" {
		stage = StageHTTP
	}
	if entry.Verdict != Refused || entry.Stage != stage || entry.TLS != "" && entry.TLS != p.version {
		b.t.Errorf("TLS %s, %s missing: entry %+v", p.version, missing, entry)
	}
	// Which proof was missing is told as far as the server tells.
	if entry.Proof != "" && entry.Proof != missing.String() {
		b.t.Errorf("TLS %s, %s missing: entry says %q, %s", p.version, missing, entry.Proof, entry.Reason)
	}
}

func TestServersAskForACertificate(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		l := newLab(t)
		b := l.bench(d, mutual)
		for _, version := range wireVersions {
			got := b.pull(pull{version: version, cert: l.edge})
			if !got.served() {
				t.Errorf("TLS %s with certificate: %v, status %d", version, got.err, got.status)
			}
			entry, err := b.running.Await(t.Context(), got.peer)
			if err != nil || entry.Verdict != Allowed || entry.TLS != version || entry.Status != 200 || entry.SNI != protectedHost {
				t.Errorf("entry %+v, %v", entry, err)
			}
			if entry.Serial != "" && entry.Serial != pki.SerialText(l.edge.Leaf) && d.Name != "haproxy" {
				t.Errorf("serial %s, want %s", entry.Serial, pki.SerialText(l.edge.Leaf))
			}
			b.refused(pull{version: version}, Chain)
			b.refused(pull{version: version, cert: l.client(edgeURI, pki.OtherAuthority)}, Chain)
			b.refused(pull{version: version, cert: l.client(edgeURI, pki.Expired)}, Validity)
			b.refused(pull{version: version, cert: l.client(edgeURI, pki.WrongUsage)}, Purpose)
		}
		want := Counts{Accepted: 10, Full: 2, Failed: 8, Requests: 2, Bytes: 2000}
		if d.Name == "nginx" {
			want.Full, want.Failed, want.Requests = 10, 0, 10
		}
		if got := b.counts(); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	})
}

var wireVersions = []string{"1.2", "1.3"}

func TestServersResumeWithTicketsOnly(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		for _, tickets := range []bool{true, false} {
			l := newLab(t)
			b := l.bench(d, func(s *Setup) {
				mutual(s)
				s.Config.Tickets = tickets
			})
			for _, version := range wireVersions {
				p := pull{version: version, cert: l.edge, sessions: tls.NewLRUClientSessionCache(0)}
				first, second := b.pull(p), b.pull(p)
				if !first.served() || !second.served() || first.trace.Resumed || second.trace.Resumed != tickets {
					t.Errorf("tickets %v, TLS %s: %v %v, status %d %d, resumed %v", tickets, version, first.err, second.err, first.status, second.status, second.trace.Resumed)
				}
			}
			want := Counts{Accepted: 4, Full: 4, Requests: 4, Bytes: 4000}
			if tickets {
				want.Full, want.Resumed = 2, 2
			}
			if got := b.counts(); got != want {
				t.Errorf("tickets %v: counts %+v, want %+v", tickets, got, want)
			}
		}
	})
}

// TestServersPin starts every pin on every server: it enforces it or its
// limits say that it cannot, and Start refuses by name.
func TestServersPin(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		found := installed(t, d)
		for _, pin := range Pins() {
			l := newLab(t)
			value, err := pin.Value(l.edge.Leaf)
			if err != nil {
				t.Fatal(err)
			}
			s := Settings{ClientRoots: "roots", Pin: pin, PinValue: value}
			if limited(d.Limits(found, Policy{Strategies: []string{MTLS}, Pin: pin}), Subject) {
				l.refusesToStart(d, s, "cannot pin "+string(pin))
				continue
			}
			b := l.bench(d, func(setup *Setup) { setup.Config.Policy = mustPolicy(t, s, MTLS) })
			if got := b.pull(pull{cert: l.edge}); !got.served() {
				t.Errorf("pin %s: the pinned certificate: %v, status %d: %s", pin, got.err, got.status, b.running.Output())
			}
			other := l.issue(pki.Request{Name: "other", Usage: pki.ClientAuth, URIs: []string{"spiffe://lab/other"}})
			got := b.pull(pull{cert: other})
			if pin == PinNone {
				if !got.served() {
					t.Errorf("no pin: %v, status %d", got.err, got.status)
				}
				continue
			}
			entry, err := b.running.Await(t.Context(), got.peer)
			if got.status != 403 || err != nil || entry.Proof != Subject.String() {
				t.Errorf("pin %s: another certificate: %v, status %d, entry %+v, %v", pin, got.err, got.status, entry, err)
			}
		}
	})
}

func mustPolicy(t *testing.T, s Settings, strategies ...string) Policy {
	t.Helper()
	p, err := NewPolicy(protectedHost, strategies, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func limited(limits []Limit, proof Proof) bool {
	return slices.ContainsFunc(limits, func(l Limit) bool { return !l.Weak && l.Proof == proof })
}

func weakly(limits []Limit, proof Proof) bool {
	return slices.ContainsFunc(limits, func(l Limit) bool { return l.Weak && l.Proof == proof })
}

func (l *lab) refusesToStart(d Driver, s Settings, want string) {
	l.t.Helper()
	setup := Setup{Config: Config{Policy: mustPolicy(l.t, s, MTLS), Credentials: l.credentials(), Certificate: "server"}}
	r, err := d.Start(l.t.Context(), setup)
	if err == nil {
		err = r.Stop(l.t.Context())
		l.t.Errorf("it starts and should not: %s; %v", want, err)
		return
	}
	if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "server "+d.Name) {
		l.t.Errorf("error %q lacks %q", err, want)
	}
}

func TestServersHeedRevocation(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		l := newLab(t)
		found := installed(t, d)
		revoked := l.client("spiffe://lab/revoked", pki.NoFlaw)
		l.revoke(revoked)
		s := Settings{ClientRoots: "roots", Pin: PinNone, RevocationList: "revoked"}
		if limited(d.Limits(found, mustPolicy(t, s, MTLS)), Freshness) {
			l.refusesToStart(d, s, "revocation list")
			return
		}
		b := l.bench(d, func(setup *Setup) { setup.Config.Policy = mustPolicy(t, s, MTLS) })
		for _, version := range wireVersions {
			if got := b.pull(pull{version: version, cert: l.edge}); !got.served() {
				t.Errorf("TLS %s: a good certificate: %v, status %d", version, got.err, got.status)
			}
			b.refused(pull{version: version, cert: revoked}, Freshness)
		}
	})
}

func TestServersKeepSecretAndAllowlist(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		l, found := newLab(t), installed(t, d)
		s := Settings{SecretHeader: "X-Origin-Verify", Secret: "now", PreviousSecret: "before", EdgeAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24")}}
		b := l.bench(d, func(setup *Setup) { setup.Config.Policy = mustPolicy(t, s, Header, Allowlist) })
		right := "X-Origin-Verify: " + secretNow + "\r\n"
		for _, test := range []struct {
			name   string
			pull   pull
			status int
			proof  Proof
		}{
			{"right", pull{source: edgeAddr, header: right}, 200, 0},
			{"previous", pull{source: edgeAddr, header: "x-origin-verify: " + secretBefore + "\r\n"}, 200, 0},
			{"absent", pull{source: edgeAddr}, 403, Secret},
			{"wrong", pull{source: edgeAddr, header: "X-Origin-Verify: x" + secretNow + "\r\n"}, 403, Secret},
			{"other case", pull{source: edgeAddr, header: "X-Origin-Verify: " + strings.ToUpper(secretNow) + "\r\n"}, 403, Secret},
			{"wrong before right", pull{source: edgeAddr, header: "X-Origin-Verify: x\r\n" + right}, 403, Secret},
			{"right before wrong", pull{source: edgeAddr, header: right + "X-Origin-Verify: x\r\n"}, 403, Secret},
			{"other host", pull{source: edgeAddr, header: right, host: "other.test"}, 421, Authority},
			{"other path", pull{source: edgeAddr, header: right, path: "/x"}, 404, 0},
			{"from elsewhere", pull{source: attackerAddr, header: right}, 403, Address},
		} {
			got := b.pull(test.pull)
			// HAProxy refuses the address before TLS. Of several values Caddy
			// takes any, and nginx before 1.23 the first: both are limits.
			atAccept := d.Name == "haproxy" && test.proof == Address
			anyValue := d.Name == "caddy" && test.name == "wrong before right" ||
				test.name == "right before wrong" && weakly(d.Limits(found, b.running.Config.Policy), Secret)
			if anyValue && !got.served() {
				t.Errorf("%s: %v, status %d: the limit is gone", test.name, got.err, got.status)
			}
			switch {
			case atAccept && got.err == nil:
				t.Errorf("%s: status %d", test.name, got.status)
			case !atAccept && !anyValue && (got.err != nil || got.status != test.status):
				t.Errorf("%s: %v, status %d, want %d", test.name, got.err, got.status, test.status)
			case test.status != 200 && got.served() && !anyValue:
				t.Errorf("%s: served", test.name)
			}
			if atAccept || test.proof == 0 || anyValue {
				continue
			}
			if entry, err := b.running.Await(t.Context(), got.peer); err != nil || entry.Proof != test.proof.String() {
				t.Errorf("%s: entry %+v, %v", test.name, entry, err)
			}
		}
		b.counts()
	})
}

// TestServersReconcile ends connections at every stage.
func TestServersReconcile(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		l := newLab(t)
		b := l.bench(d, mutual)
		const n = 50
		for i := range n {
			b.pull(pull{version: wireVersions[i%2], cert: l.edge})
			b.pull(pull{plain: true})
			b.touch("")
			b.touch("this is no TLS at all\r\n\r\n")
		}
		silent := int64(0)
		if d.Name != "caddy" {
			b.pull(pull{version: "1.2", cert: l.edge, idle: true})
			b.pull(pull{version: "1.3", cert: l.edge, idle: true})
			silent = 2
		}
		got := b.counts()
		want := Counts{Accepted: 4*n + silent, Plain: n, Full: n, Failed: n, NoHello: n, Untold: silent, Requests: 2 * n, Bytes: 2 * n * 1000}
		switch d.Name {
		case "haproxy": // tells how silent connections began
			want.Full, want.Untold = n+silent, 0
		case "apache": // does not tell a hello that never came
			want.Failed, want.NoHello = 2*n, 0
		default:
		}
		if got != want {
			t.Errorf("counts\n%+v, want\n%+v", got, want)
		}
	})
}

// TestServersCountKeptConnections stops while a connection is open.
func TestServersCountKeptConnections(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		b := newLab(t).bench(d, nil)
		const requests = 3
		for _, at := range []netip.AddrPort{b.running.Address(), b.running.PlainAddress()} {
			conn, err := net.Dial("tcp", at.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			b.dialed++
			if at == b.running.Address() {
				conn = tls.Client(conn, b.clientTLS(pull{}))
			}
			reader := bufio.NewReader(conn)
			for range requests {
				_, _ = io.WriteString(conn, "GET /o/k HTTP/1.1\r\nHost: "+protectedHost+"\r\n\r\n")
				reply, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(reply.Body)
				if err = errors.Join(err, reply.Body.Close()); err != nil || len(body) != 1000 || reply.Close {
					t.Errorf("%v, %d bytes, closed %v", err, len(body), reply.Close)
				}
			}
		}
		want := Counts{Accepted: 2, Full: 1, Plain: 1, Requests: 2 * requests, Bytes: 2 * requests * 1000}
		if got := b.counts(); got != want {
			t.Errorf("counts\n%+v, want\n%+v", got, want)
		}
	})
}

// TestServersReconcileUnderLoad has many connections at once and ports that
// come round again.
func TestServersReconcileUnderLoad(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		l := newLab(t)
		b := l.bench(d, func(s *Setup) {
			mutual(s)
			s.Config.Response.Size = 100_000
			s.Config.Group = "p256"
		})
		const workers, each = 16, 20
		var working sync.WaitGroup
		var dialed atomic.Int64
		for range workers {
			working.Go(func() {
				one := &bench{lab: l, driver: d, running: b.running}
				for i := range each {
					got := one.pull(pull{version: wireVersions[i%2], group: "p256", cert: l.edge})
					if !got.served() || len(got.body) != 100_000 || got.trace.Group != "p256" {
						t.Errorf("%v, status %d, %d bytes, group %s", got.err, got.status, len(got.body), got.trace.Group)
					}
				}
				dialed.Add(one.dialed)
			})
		}
		working.Wait()
		b.dialed = dialed.Load()
		want := Counts{Accepted: workers * each, Full: workers * each, Requests: workers * each, Bytes: workers * each * 100_000}
		if got := b.counts(); got != want {
			t.Errorf("counts\n%+v, want\n%+v", got, want)
		}
	})
}

// touch connects, sends a text or nothing, and reads to the end.
func (b *bench) touch(text string) {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.running.Address().String())
	if err != nil {
		b.t.Fatal(err)
	}
	b.dialed++
	if text != "" {
		_, _ = conn.Write([]byte(text))
		_, _ = conn.Read(make([]byte, 1024))
	}
	_ = conn.Close()
}
