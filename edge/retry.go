package edge

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/originpull/originpull/edge/pool"
)

// try sends a request through p until it is answered, or until the edge's
// patience ends. Every exchange is noted.
func (f *fetch) try(ctx context.Context, p *pool.Pool, request *pool.Request, response *pool.Response) error {
	cfg := &f.edge.cfg
	target := &cfg.Target
	end := time.Time{}
	if cfg.Retry.Budget > 0 {
		end = time.Now().Add(cfg.Retry.Budget)
		own := cfg.Target
		target = &own
	}
	for attempt := 1; ; attempt++ {
		if !end.IsZero() {
			limit := cmp.Or(cfg.Target.Dialer.Timeout, cfg.Pool.DialTimeout, pool.DefaultDialTimeout)
			target.Dialer.Timeout = min(limit, time.Until(end))
		}
		exchange, err := p.Do(ctx, target, request, response)
		f.note(exchange)
		if err == nil {
			return nil
		}
		failure := &Failure{Phase: PhaseOf(exchange.Failed, err), Err: err}
		over := !end.IsZero() && !time.Now().Before(end)
		if attempt >= cfg.Retry.Attempts || over || ctx.Err() != nil || !cfg.Retry.again(failure.Phase, &exchange, request.Method) {
			return failure
		}
	}
}

// again reports whether such a failure is one to try again after.
func (r *Retry) again(phase Phase, x *pool.Exchange, method string) bool {
	when := RetryWhen("")
	switch phase {
	case PhaseRefused, PhaseTimeout:
		when = RetryConnect
	case PhaseVerify, PhaseAlert:
		if x.Trace != nil && x.Trace.Cipher != "" {
			return false // the handshake returned: a request has been sent
		}
		when = RetryHandshake
	case PhaseResponse:
		if method != http.MethodGet && method != http.MethodHead {
			return false
		}
		when = RetryResponse
	default:
		return false
	}
	return slices.Contains(r.On, when)
}

// note keeps what an attempt did at the origin.
func (f *fetch) note(x pool.Exchange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		f.earlier = append(f.earlier, f.exchange)
	}
	f.exchange, f.ended = x, true
}
