package origin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// Config describes a built-in origin.
type Config struct {
	Policy      Policy
	Credentials pki.Credentials
	// Certificate names the server certificate; "" is a plaintext origin, on
	// which Group and Tickets mean nothing.
	Certificate string
	// Group is the one key exchange group that is offered; "" is x25519.
	Group string
	// Tickets lets clients resume sessions.
	Tickets bool
	// Early takes requests in 0-RTT over QUIC, where their route does: they
	// can be replayed, and reach the handler before the client has proven
	// that it holds its key. It needs Tickets.
	Early    bool
	Response Response
	// Route is the path below which the objects are, between slashes; "" is
	// "/o/". What stands elsewhere is not found.
	Route string
	// Methods are those that objects take besides GET and HEAD, with the same
	// answer: POST, PUT, PATCH or DELETE.
	Methods []string
	// Audit takes the audit log, one Write for each line; nil writes none.
	Audit io.Writer
	// AuditLevel "" is LevelAll.
	AuditLevel Level
	Timeouts   Timeouts
}

// Response is what the protected object looks like.
type Response struct {
	Size         int64         // bytes of body
	Delay        time.Duration // before the first byte
	Status       int           // 0 is 200; 1xx is refused
	CacheControl string        // header value; "" sends none

	// What follows makes objects differ, each drawn from its name.
	Uncacheable float64    // share of the objects with Cache-Control: no-store
	Lifetimes   []Lifetime // shares with a max-age of their own; CacheControl is that of the rest
	Sizes       Sizes      // in place of Size, unless zero
}

// Timeouts bound each phase of a connection. Zero takes the default; there is
// no way to have none.
type Timeouts struct {
	Handshake time.Duration // from accept to a finished handshake: 5 s
	Header    time.Duration // to the end of a request's header: 5 s
	Read      time.Duration // to the end of a request's body: 15 s
	Write     time.Duration // from there to the end of the response: 30 s and Response.Delay
	Idle      time.Duration // between requests: 75 s
}

// maxHeader bounds a request's header, in bytes.
const maxHeader = 64 << 10

func (t Timeouts) withDefaults(delay time.Duration) (Timeouts, error) {
	for _, timeout := range []struct {
		name     string
		value    *time.Duration
		fallback time.Duration
	}{
		{"handshake", &t.Handshake, 5 * time.Second},
		{"header", &t.Header, 5 * time.Second},
		{"read", &t.Read, 15 * time.Second},
		{"write", &t.Write, 30*time.Second + delay},
		{"idle", &t.Idle, 75 * time.Second},
	} {
		if *timeout.value < 0 {
			return t, fmt.Errorf("%s timeout is negative: %s", timeout.name, *timeout.value)
		}
		if *timeout.value == 0 {
			*timeout.value = timeout.fallback
		}
	}
	if t.Write <= delay {
		return t, fmt.Errorf("write timeout %s is not longer than the response delay %s: no response would arrive", t.Write, delay)
	}
	return t, nil
}

func (r Response) withDefaults() (Response, error) {
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	switch {
	case r.Size < 0:
		return r, fmt.Errorf("response size is negative: %d", r.Size)
	case r.Delay < 0:
		return r, fmt.Errorf("response delay is negative: %s", r.Delay)
	case r.Status < 200 || r.Status > 599:
		return r, fmt.Errorf("response status %d is not between 200 and 599", r.Status)
	}
	return r, r.check()
}

// routeForm is a path that needs no quotes in any server's configuration, but for
// its dots in a regular expression.
var routeForm = regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+/$`)

func (c Config) withDefaults() (Config, error) {
	var err error
	if c.Response, err = c.Response.withDefaults(); err != nil {
		return c, err
	}
	if c.Timeouts, err = c.Timeouts.withDefaults(c.Response.Delay); err != nil {
		return c, err
	}
	if c.Route == "" {
		c.Route = objectRoute
	}
	if !routeForm.MatchString(c.Route) {
		return c, fmt.Errorf("objects cannot be below %q: write a path of letters, digits, -, _ and . between slashes, such as /api/", c.Route)
	}
	for _, method := range c.Methods {
		if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, method) {
			return c, fmt.Errorf("objects cannot take the method %q: use POST, PUT, PATCH or DELETE", method)
		}
	}
	if c.Early && (c.Certificate == "" || !c.Tickets) {
		return c, errors.New("0-RTT needs session tickets, and a certificate to begin with")
	}
	if c.Certificate == "" {
		return c, nil
	}
	if c.Group == "" {
		c.Group = "x25519"
	}
	return c, c.profile().Validate()
}

// profile is what the server pins: the group. Versions are the client's
// choice, 1.2 or 1.3.
func (c Config) profile() wire.Profile {
	return wire.Profile{Version: "1.3", Group: c.Group, Resumption: c.Tickets}
}
