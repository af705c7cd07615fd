package edge

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/originpull/originpull/edge/pool"
)

// sender sends one attempt of a pull.
type sender interface {
	send(ctx context.Context, p *pool.Pool, target *pool.Target) (pool.Exchange, error)
}

// try has s send until the origin answers, or until the edge's patience ends.
func (e *Edge) try(ctx context.Context, method string, s sender) error {
	cfg := &e.cfg
	p, target := e.pool(), &e.aim.Load().Target
	end := time.Time{}
	dialer := target.Dialer.Timeout
	if cfg.Retry.Budget > 0 {
		end = time.Now().Add(cfg.Retry.Budget)
		own := *target
		target = &own
	}
	for attempt := 1; ; attempt++ {
		if !end.IsZero() {
			limit := cmp.Or(dialer, cfg.Pool.DialTimeout, pool.DefaultDialTimeout)
			target.Dialer.Timeout = min(limit, time.Until(end))
		}
		exchange, err := s.send(ctx, p, target)
		if err == nil {
			return nil
		}
		failure := &Failure{Phase: PhaseOf(exchange.Failed, err), Err: err}
		over := !end.IsZero() && !time.Now().Before(end)
		if attempt >= cfg.Retry.Attempts || over || ctx.Err() != nil || !cfg.Retry.again(failure.Phase, &exchange, method) {
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
