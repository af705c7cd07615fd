package cache

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// flight is one fetch that several viewers wait for.
type flight struct {
	key     key
	cancel  context.CancelCauseFunc
	viewers int           // still waiting; guarded by Cache.mu
	done    chan struct{} // closed when the fields below are set

	response *Response
	err      error
	shared   bool // response is for everyone
}

// launch starts a flight. The caller holds c.mu.
func (c *Cache) launch(ctx context.Context, k key, fetch func(context.Context) (*Response, error)) *flight {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	f := &flight{key: k, cancel: cancel, done: make(chan struct{}), err: errNoResponse}
	c.flights[k] = f
	start := time.Now()
	c.running.Go(func() {
		// Deferred, so that viewers are not left waiting by a fetch that ends
		// its goroutine.
		defer c.land(f)
		f.response, f.err = call(ctx, fetch)
		if f.err != nil {
			if errors.Is(context.Cause(ctx), ErrClosed) {
				f.err = fmt.Errorf("%w: %w", ErrClosed, f.err)
			}
			return
		}
		f.shared = c.keep(k, f.response, kept{start: start})
	})
	return f
}

// land ends f for those who wait, after what it brought can be found in the
// store: whoever comes later starts anew.
func (c *Cache) land(f *flight) {
	c.mu.Lock()
	if c.flights[f.key] == f {
		delete(c.flights, f.key)
	}
	c.mu.Unlock()
	f.cancel(nil)
	close(f.done)
}

// leave takes a viewer off f. The last one ends the fetch; viewers to come do
// not join what is being given up.
func (c *Cache) leave(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.viewers--
	if f.viewers > 0 {
		return
	}
	if c.flights[f.key] == f {
		delete(c.flights, f.key)
	}
	f.cancel(context.Canceled)
}

// wait returns when f has landed or the viewer has left.
func (c *Cache) wait(ctx context.Context, f *flight) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		c.leave(f)
		return ctx.Err()
	}
}

func (c *Cache) lead(ctx context.Context, f *flight) (Reply, error) {
	reply := Reply{Outcome: Miss}
	defer func() { c.count(reply.Outcome) }()
	if err := c.wait(ctx, f); err != nil {
		return reply, err
	}
	if !f.shared {
		reply.Outcome = Pass
	}
	reply.Response = f.response
	return reply, nil
}

func (c *Cache) follow(ctx context.Context, f *flight, req *Request, fetch func(context.Context) (*Response, error)) (Reply, error) {
	if err := c.wait(ctx, f); err != nil {
		c.count(Collapsed)
		return Reply{Outcome: Collapsed}, err
	}
	if !f.shared {
		return c.alone(ctx, req, fetch)
	}
	c.count(Collapsed)
	return Reply{Response: f.response, Outcome: Collapsed}, nil
}
