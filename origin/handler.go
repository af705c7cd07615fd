package origin

import (
	"hash/fnv"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"
)

// ProofHeader is on every reply that the guard allowed, and on no other:
// whether content was had is decided by what came back.
const ProofHeader = "X-Origin-Proof"

// Values of ProofHeader.
const (
	ProtectedContent = "protected"
	PublicContent    = "public"
)

var protectedValue, publicValue = []string{ProtectedContent}, []string{PublicContent}

// handler puts the guard around the router. As the router's middleware it
// would not see what the router answers itself: 404, 405 and redirects.
func (s *Server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		if !ok {
			panic("origin: a request without its connection")
		}
		if c.h2 {
			c.serveH2(w, r)
			return
		}
		c.answering.Store(true)
		c.pending.Store(false)
		c.reply = reply{ResponseWriter: w, server: s, identity: &c.identity, request: r}
		c.reply.decide(s.guardOf(&c.identity))
		c.reply = reply{}
	})
}

// serveH2 answers a request on a connection that may carry others at once. A
// refusal that spends the connection says so with GOAWAY.
func (c *conn) serveH2(w http.ResponseWriter, r *http.Request) {
	c.served.Store(true)
	c.mu.Lock()
	caller := c.identity
	c.mu.Unlock()
	answer := reply{ResponseWriter: w, server: c.server, identity: &caller, request: r}
	answer.decide(c.server.state.Load().guard)
	c.mu.Lock()
	c.guard = caller.guard
	c.mu.Unlock()
}

// routes says whether the router has a route of its own for the request.
func (s *Server) routes(r *http.Request) bool {
	var match mux.RouteMatch
	return s.router.Match(r, &match) && match.MatchErr == nil
}

// echo is the mistake of answering TRACE.
func (r *reply) echo() {
	r.Header().Set("Content-Type", "message/http")
	r.WriteHeader(http.StatusOK)
	// The peer that went away needs no body.
	_ = r.request.Header.Write(r.ResponseWriter)
}

func (s *Server) newRouter() *mux.Router {
	router := mux.NewRouter()
	methods := append([]string{http.MethodGet, http.MethodHead}, s.cfg.Methods...)
	router.HandleFunc(s.cfg.Route+"{key}", s.serveObject).Methods(methods...)
	router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.counts.missing.Add(1)
		http.NotFound(w, r)
	})
	router.HandleFunc("/", serveRoot).Methods(http.MethodGet, http.MethodHead)
	return router
}

// objectRoute is where the objects are, unless Config.Route says otherwise.
const objectRoute = "/o/"

// decide lets the guard decide, then the router answer. It says whether the
// connection is not to be used again.
func (r *reply) decide(g *guard) (spent bool) {
	r.server.counts.requests.Add(1)
	d := g.admit(r.identity, r.request)
	if d == nil && r.early && !takesEarly(r.request, r.server.cfg.Route) {
		d = &denial{reason: "the request came before the handshake was complete, and its route takes none in 0-RTT", status: http.StatusTooEarly}
	}
	if d != nil && (!g.behindRouter || d.proof != Secret || r.server.routes(r.request)) {
		r.deny(d)
		return d.closes
	}
	if d != nil { // by mistake: what the router answers by itself
		r.server.router.ServeHTTP(r, r.request)
		return false
	}
	if g.echoes && r.request.Method == http.MethodTrace {
		r.echo()
		return false
	}
	content := protectedValue
	if g.public[hostName(r.request.Host)] {
		content = publicValue
	}
	r.Header()[ProofHeader] = content
	if g.profile != nil {
		r.Header().Set(IdentityAnswer, g.introduce(r.identity, r.request))
	}
	r.server.router.ServeHTTP(r, r.request)
	// A handler that wrote nothing is answered with 200.
	r.audit(http.StatusOK)
	return false
}

// takesEarly says whether a route takes requests in 0-RTT, which anybody who
// recorded one can send again (RFC 8470): only reading an object does.
func takesEarly(r *http.Request, objects string) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.HasPrefix(r.URL.Path, objects)
}

// deny says no more than that: the reason is in the audit log.
func (r *reply) deny(d *denial) {
	r.server.counts.denied.Add(1)
	if r.server.audit.Keeps(Refused) {
		e := r.entry()
		e.Verdict, e.Stage, e.Proof, e.Reason, e.Status = Refused, StageHTTP, d.proof.String(), d.reason, d.status
		r.server.audit.Record(&e)
	}
	h, w := r.Header(), r.ResponseWriter
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if d.closes && !r.identity.quic {
		h.Set("Connection", "close")
	}
	w.WriteHeader(d.status)
	// The peer that went away needs no body.
	_, _ = io.WriteString(w, "refused\n")
}

// reply sees the status before the peer does, and writes the audit line then.
type reply struct {
	http.ResponseWriter
	server   *Server
	identity *identity
	request  *http.Request
	early    bool // it came in 0-RTT, and the handshake is not complete
	audited  bool
}

// Unwrap is for http.ResponseController.
func (r *reply) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *reply) WriteHeader(status int) {
	r.audit(status)
	r.ResponseWriter.WriteHeader(status)
}

func (r *reply) Write(b []byte) (int, error) {
	r.audit(http.StatusOK)
	n, err := r.ResponseWriter.Write(b)
	r.server.counts.bytes.Add(int64(n))
	return n, err
}

func (r *reply) audit(status int) {
	if r.audited {
		return
	}
	r.audited = true
	if !r.server.audit.Keeps(Allowed) {
		return
	}
	e := r.entry()
	e.Verdict, e.Stage, e.Status = Allowed, StageHTTP, status
	r.server.audit.Record(&e)
}

// entry starts the audit line of the request.
func (r *reply) entry() Entry {
	e := r.identity.entry()
	e.Host, e.Path, e.Method = r.request.Host, r.request.URL.Path, r.request.Method
	return e
}

func serveRoot(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// The peer that went away needs no body.
	_, _ = io.WriteString(w, "originpull origin\n")
}

func (s *Server) serveObject(w http.ResponseWriter, r *http.Request) {
	response := &s.cfg.Response
	if response.Delay > 0 {
		timer := time.NewTimer(response.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	h, key := w.Header(), mux.Vars(r)["key"]
	what := response.object(key)
	if what.control != "" {
		h.Set("Cache-Control", what.control)
	}
	if response.Status == http.StatusNoContent || response.Status == http.StatusNotModified {
		w.WriteHeader(response.Status)
		return
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(what.size, 10))
	w.WriteHeader(response.Status)
	if r.Method != http.MethodHead {
		writeObject(w, key, what.size)
	}
}

// An object's bytes count up from its key's hash, modulo a prime: two keys
// seldom have the same bytes, and no object has to be kept.
const objectPeriod = 251

var objectBytes = func() []byte {
	b := make([]byte, 256*objectPeriod)
	for i := range b {
		b[i] = byte(i % objectPeriod)
	}
	return b
}()

func writeObject(w io.Writer, key string, size int64) {
	sum := fnv.New32a()
	_, _ = io.WriteString(sum, key) // a hash never fails
	start := int(sum.Sum32() % objectPeriod)
	for size > 0 {
		piece := objectBytes[start:]
		// What is cut off at the end of the last piece keeps the period.
		piece = piece[:min(size, int64(len(piece)-len(piece)%objectPeriod))]
		n, err := w.Write(piece)
		if err != nil {
			return
		}
		size -= int64(n)
	}
}
