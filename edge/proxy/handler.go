package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
)

// trip is one request on its way to its answer.
type trip struct {
	proxy *Proxy
	w     http.ResponseWriter
	r     *http.Request
	body  *content // of the request; nil = none
	visit edge.Visit

	mu   sync.Mutex // of interim responses
	told bool       // the final response has begun: no more of them
}

// ServeHTTP answers a viewer.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.counts.active.Add(1)
	defer p.counts.active.Add(-1)
	t := &trip{proxy: p, w: w, r: r}
	asked := path(r)
	switch {
	case r.Method == http.MethodTrace: // it would show the viewer what only the origin may see
		t.refuse(http.StatusMethodNotAllowed)
		return
	case r.Method == http.MethodConnect:
		t.refuse(http.StatusNotImplemented)
		return
	case asked == "":
		t.refuse(http.StatusBadRequest)
		return
	case lastHop(r):
		w.Header()["Content-Length"] = []string{"0"}
		t.header(http.StatusOK)
		return
	}
	t.serve(asked)
}

func (t *trip) serve(asked string) {
	p, r := t.proxy, t.r
	strip(r.Header)
	via := p.via[min(r.ProtoMajor, 2)]
	if others := r.Header["Via"]; len(others) > 0 {
		via = append(slices.Clip(others), via...)
	}
	r.Header["Via"] = via
	// The handshake was the proxy's own, before net/http, which knows of none.
	forwarded(r, p.cfg.Viewers.Certificate != nil)
	visit := &t.visit
	visit.Method, visit.Path, visit.Header = r.Method, asked, r.Header
	if p.cfg.Edge.KeepHost || len(p.cfg.Routes) > 0 {
		visit.Host = strings.ToLower(r.Host)
	}
	if r.ProtoAtLeast(1, 1) {
		visit.Interim = t.interim
	}
	if r.Body != http.NoBody && r.ContentLength != 0 {
		t.body = &content{trip: t, control: http.NewResponseController(t.w)}
		// Else net/http would read all of the request before it sends a header.
		_ = t.body.control.EnableFullDuplex() // which h2 is anyway
		visit.Content, visit.Length, visit.Trailer = t.body, r.ContentLength, r.Trailer
	}
	ctx := r.Context()
	if t.body != nil {
		var release func()
		ctx, release = t.body.context(ctx)
		defer release()
	}
	answer, err := p.edge.Open(ctx, visit)
	t.mu.Lock()
	t.told = true
	t.mu.Unlock()
	if err != nil {
		t.failed(&answer, err)
		return
	}
	t.reply(&answer.Reply)
}

// interim passes an interim response on (RFC 9110, section 15.2).
func (t *trip) interim(status int, header http.Header) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told || status == http.StatusContinue { // which net/http sends when content is read
		return
	}
	strip(header)
	h := t.w.Header()
	for name, values := range header {
		h[name] = values
	}
	t.w.WriteHeader(status)
	clear(h)
}

// header writes the final header, and counts it.
func (t *trip) header(status int) {
	t.proxy.counts.answered(t.r.ProtoMajor, status)
	t.w.WriteHeader(status)
}

// refuse answers in the proxy's own name.
func (t *trip) refuse(status int) {
	text := strconv.Itoa(status) + " " + http.StatusText(status) + "\n"
	h := t.w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	if status == http.StatusMethodNotAllowed {
		h["Allow"] = []string{"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
	}
	t.header(status)
	_, _ = io.WriteString(t.w, text) // whoever hears it
}

// reply sends an answer.
func (t *trip) reply(reply *cache.Reply) {
	t.proxy.counts.outcomes.add(string(reply.Outcome))
	h := t.w.Header()
	response := reply.Response
	reply.CopyHeader(h, t.proxy.cfg.Name)
	if others := h["Via"]; len(others) > 0 {
		h["Via"] = append(slices.Clip(others), t.proxy.via[1]...)
	} else {
		h["Via"] = t.proxy.via[1]
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // net/http would guess one
	}
	if response.Stream != nil {
		t.stream(response)
		return
	}
	var trailer http.Header
	if response.Trailer != nil {
		trailer = response.Trailer()
	}
	switch {
	case len(trailer) > 0:
		delete(h, "Content-Length")
		h["Trailer"] = names(trailer)
	case response.Body != nil && t.r.Method != http.MethodHead && bodied(response.Status):
		delete(h, "Trailer")
		h["Content-Length"] = []string{strconv.Itoa(len(response.Body))}
	}
	if reply.Forward != "" { // the origin has taken its time
		t.extend(http.NewResponseController(t.w))
	}
	t.header(response.Status)
	if len(response.Body) > 0 && t.r.Method != http.MethodHead {
		t.write(response.Body)
	}
	for name, values := range trailer {
		h[name] = values
	}
}

// bodied reports whether a response of that status may have a length.
func bodied(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// writeStep is how much is written at once, in bytes: a viewer has
// Timeouts.Write for each.
const writeStep = 256 << 10

// write sends content that is there. Who does not take it is cut off.
func (t *trip) write(body []byte) {
	for len(body) > 0 {
		n := min(len(body), writeStep)
		if len(body) > writeStep {
			t.extend(http.NewResponseController(t.w))
		}
		n, err := t.w.Write(body[:n])
		t.proxy.counts.sent.Add(int64(n))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		body = body[n:]
	}
}

// extend gives the viewer its time for the next piece.
func (t *trip) extend(control *http.ResponseController) {
	// Where that is not possible the server's own deadline holds.
	_ = control.SetWriteDeadline(time.Now().Add(t.proxy.cfg.Timeouts.Write))
}

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// stream sends content as it comes. What ends before its end is cut off, so
// that it does not look whole (RFC 9112, section 8).
func (t *trip) stream(response *cache.Response) {
	defer func() { _ = response.Stream.Close() }() // its end is known, or not of interest
	buffer := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buffer)
	h := t.w.Header()
	control := http.NewResponseController(t.w)
	left := int64(-1)
	if values := h["Content-Length"]; len(values) == 1 {
		if n, err := strconv.ParseInt(values[0], 10, 64); err == nil {
			left = n
		}
	}
	begun := left <= 0
	if begun { // nobody knows when the first piece comes
		t.extend(control)
		t.header(response.Status)
		if left < 0 {
			_ = control.Flush()
		}
	}
	for {
		n, err := response.Stream.Read(buffer[:])
		if !begun && n == 0 && err != nil && !errors.Is(err, io.EOF) {
			t.lost(err)
			return
		}
		t.extend(control)
		if !begun {
			t.header(response.Status)
			begun = true
		}
		if n > 0 {
			if _, broken := t.w.Write(buffer[:n]); broken != nil {
				panic(http.ErrAbortHandler)
			}
			t.proxy.counts.sent.Add(int64(n))
			if left -= int64(n); left != 0 && err == nil {
				_ = control.Flush() // a viewer that is gone shows at the next Write
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.proxy.counts.cut.Add(1)
			panic(http.ErrAbortHandler)
		}
	}
	if response.Trailer != nil {
		trail(h, response.Trailer())
	}
}

// trail adds trailer fields to a header that has been sent.
func trail(h http.Header, trailer http.Header) {
	strip(trailer)
	for name, values := range trailer {
		if !announced(h, name) {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
}

func announced(h http.Header, name string) bool {
	for _, line := range h["Trailer"] {
		for other := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(other, " \t"), name) {
				return true
			}
		}
	}
	return false
}

func names(h http.Header) (all []string) {
	for name := range h {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// lost answers where the content failed before anything was sent of it.
func (t *trip) lost(err error) {
	clear(t.w.Header())
	t.failed(&edge.Answer{}, err)
}

// failed answers where there is no answer.
func (t *trip) failed(answer *edge.Answer, err error) {
	if t.r.Context().Err() != nil && (t.body == nil || t.body.whole()) {
		t.proxy.counts.left.Add(1)
		panic(http.ErrAbortHandler) // nobody is there
	}
	t.extend(http.NewResponseController(t.w))
	if t.body != nil && t.body.err != nil {
		t.w.Header()["Connection"] = []string{"close"}
		if late(t.body.err) {
			t.refuse(http.StatusRequestTimeout)
		} else {
			t.refuse(http.StatusBadRequest)
		}
		return
	}
	status, token := explain(err)
	if answer.Status != 0 {
		status = answer.Status
	}
	t.proxy.counts.failures.add(token)
	if tell := t.proxy.cfg.Failed; tell != nil {
		tell(err)
	}
	t.w.Header()["Proxy-Status"] = []string{t.proxy.cfg.Name + "; error=" + token}
	t.refuse(status)
}

func late(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// explain is the status for a failed pull, and its error in the words of RFC
// 9209, section 2.3.
func explain(err error) (status int, token string) {
	failure, ok := errors.AsType[*edge.Failure](err)
	if !ok {
		return http.StatusBadGateway, "http_response_incomplete"
	}
	switch failure.Phase {
	case edge.PhaseBarred:
		return http.StatusNotImplemented, "http_request_denied"
	case edge.PhaseWait:
		return http.StatusServiceUnavailable, "connection_limit_reached"
	case edge.PhaseRefused:
		return http.StatusBadGateway, "connection_refused"
	case edge.PhaseTimeout:
		return http.StatusGatewayTimeout, "connection_timeout"
	case edge.PhaseVerify:
		return http.StatusBadGateway, "tls_certificate_error"
	case edge.PhaseAlert:
		return http.StatusBadGateway, "tls_protocol_error"
	case edge.PhaseResponse:
		return http.StatusGatewayTimeout, "http_response_timeout"
	case edge.PhaseTruncated:
		return http.StatusBadGateway, "http_protocol_error"
	default:
		return http.StatusBadGateway, "proxy_internal_error"
	}
}
