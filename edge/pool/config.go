package pool

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/originpull/originpull/wire"
)

// Config is a pool's behaviour. Its zero value makes one connection per
// request, as many at once as are asked for.
type Config struct {
	// Kind "" is Own. NetHTTP has no use for MaxAge, MaxUses, FIFO, Prewarm,
	// MaxWaiting, WaitTimeout, Retry and Circuit, and New refuses them: what it
	// sends again is net/http's to decide.
	Kind Kind
	// MaxIdlePerHost is how many idle connections NetHTTP keeps, per lane; 0 =
	// 2, net/http's default. Own keeps all.
	MaxIdlePerHost int

	Reuse            bool          // keep connections; else one per request
	IdleTimeout      time.Duration // an idle connection is closed after it; 0 = only the origin closes
	MaxConnections   int           // open or being dialed, per lane; 0 = unlimited
	DialTimeout      time.Duration // of TCP connect; 0 = 5 s
	HandshakeTimeout time.Duration // of TLS, or QUIC; 0 = 5 s
	ResponseTimeout  time.Duration // from the request's first byte to the response's last; 0 = 30 s
	MaxBody          int64         // bytes of a response's content; 0 = 64 MiB

	MaxAge      time.Duration // since it was connected; an older connection takes no more requests; 0 = no limit
	MaxUses     int           // requests on one connection; 0 = no limit
	Order       Order         // which idle connection is used next; "" = LIFO
	Prewarm     int           // connections that Pool.Prewarm makes
	MaxWaiting  int           // requests that wait for MaxConnections, per lane; one more fails at once; 0 = no limit
	WaitTimeout time.Duration // of such a wait; 0 = as long as the request's context
	Retry       Retry
	Circuit     Circuit
}

// DefaultDialTimeout is Config.DialTimeout where that is 0.
const DefaultDialTimeout = 5 * time.Second

const (
	defaultHandshakeTimeout = 5 * time.Second
	defaultResponseTimeout  = 30 * time.Second
	defaultMaxBody          = 64 << 20
)

func (c Config) validate() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"idle timeout", c.IdleTimeout},
		{"dial timeout", c.DialTimeout},
		{"handshake timeout", c.HandshakeTimeout},
		{"response timeout", c.ResponseTimeout},
		{"maximum age", c.MaxAge},
		{"wait timeout", c.WaitTimeout},
		{"time that a circuit is open", c.Circuit.Open},
	} {
		if d.value < 0 {
			return fmt.Errorf("pool: %s %s is negative", d.name, d.value)
		}
	}
	if c.MaxConnections < 0 {
		return fmt.Errorf("pool: at most %d connections: use 0 for no limit", c.MaxConnections)
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"maximum of uses", c.MaxUses},
		{"number of connections made beforehand", c.Prewarm},
		{"maximum of waiting requests", c.MaxWaiting},
		{"number of attempts", c.Retry.Attempts},
		{"number of failures that open the circuit", c.Circuit.Failures},
	} {
		if n.value < 0 {
			return fmt.Errorf("pool: the %s is %d: it cannot be negative", n.name, n.value)
		}
	}
	if err := c.validateKind(); err != nil {
		return err
	}
	if c.Order != "" && c.Order != LIFO && c.Order != FIFO {
		return fmt.Errorf("pool: unknown order %q: use lifo or fifo", c.Order)
	}
	if c.MaxBody < 0 {
		return errors.New("pool: the limit of a response's content is negative")
	}
	return nil
}

// validateKind refuses what the kind of pool cannot honour.
func (c Config) validateKind() error {
	switch c.Kind {
	case "", Own:
		if c.MaxIdlePerHost != 0 {
			return errors.New("pool: a maximum of idle connections belongs to the nethttp pool: the own one keeps all")
		}
		return nil
	case NetHTTP:
	default:
		return fmt.Errorf("pool: unknown kind %q: use own or nethttp", c.Kind)
	}
	if c.MaxIdlePerHost < 0 {
		return fmt.Errorf("pool: at most %d idle connections: use 0 for net/http's default", c.MaxIdlePerHost)
	}
	for _, refused := range []struct {
		name string
		set  bool
	}{
		{"a maximum age", c.MaxAge != 0},
		{"a maximum of uses", c.MaxUses != 0},
		{"the order fifo", c.Order == FIFO},
		{"connections made beforehand", c.Prewarm != 0},
		{"a maximum of waiting requests", c.MaxWaiting != 0},
		{"a wait timeout", c.WaitTimeout != 0},
		{"retry rules of its own", c.Retry.Attempts != 0 || c.Retry.Methods != nil},
		{"a circuit", c.Circuit.Failures != 0},
	} {
		if refused.set {
			return fmt.Errorf("pool: net/http's pool has no setting for %s: leave it out, or use the own pool", refused.name)
		}
	}
	return nil
}

// Target is where, and as whom, a request goes.
type Target struct {
	Address    netip.AddrPort
	ServerName string // SNI, and the name to verify; "": as TLS has it
	Identity   string // a name for the client's identity; "" = none
	// TLS is shaped by wire.Profile; nil = plaintext. It must not change while
	// the pool is used: a new certificate is a new configuration, which gets
	// connections and sessions of its own. Where ClientSessionCache is set,
	// every lane has a cache of its own in its place.
	TLS *tls.Config
	// Protocol "" is H1. Over H2 a connection carries as many requests at once
	// as the origin's SETTINGS allow. Over H3 it carries one at a time, as over
	// H1, and the origin is not asked to close after the last.
	Protocol Protocol
	// Early sends the first request of a resumed H3 connection in 0-RTT when
	// it is a GET or HEAD: whoever records it can send it again.
	Early bool
	// MustBeAsked makes a full handshake in which the origin does not ask for
	// the client's certificate a failure, before any request is sent.
	MustBeAsked bool
	Dialer      wire.Dialer // its Network must be comparable; a Timeout replaces Config.DialTimeout
}

// Stage is where an exchange failed.
type Stage string

// The stages of an exchange.
const (
	StageNone Stage = ""     // it did not fail
	StageWait Stage = "wait" // no connection became free, or the circuit is open
	StageTCP  Stage = "tcp"  // TCP connect
	StageTLS  Stage = "tls"  // the handshake, that of QUIC included, or an alert instead of a response
	StageHTTP Stage = "http" // the request or the response
)

// Exchange is what one call of Do did.
type Exchange struct {
	Reused        bool          // the connection was there: made for another request, or beforehand
	Retried       bool          // an attempt came to nothing (see Retry); this is about the last
	Wait          time.Duration // for Config.MaxConnections; over h2, for a dial of another's too
	Start         time.Time     // when Do was called
	FirstByte     time.Time     // of the response (over h2, of its first HEADERS frame); zero without one
	End           time.Time
	Trace         *wire.Trace // of the connection that was made for it; nil when none was, or when TCP connect failed
	Local, Remote netip.AddrPort
	Failed        Stage
}

// ErrClosed is wrapped by what a closed Pool returns.
var ErrClosed = errors.New("the pool is closed")
