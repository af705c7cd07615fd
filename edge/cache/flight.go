package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// flight is one fetch that several viewers wait for.
type flight struct {
	key    key
	begun  *viewer // who began it
	entry  *entry  // what it validates
	cancel context.CancelCauseFunc
	quiet  bool // in the background: it goes on without viewers

	// Guarded by Cache.mu.
	variant variant // what it is for, as far as known
	viewers int     // that wait, or read
	void    bool    // outdated: it must not be stored
	gone    bool    // who began it has left
	handed  *Response

	headed chan struct{} // closed when the fields below are set
	got    arrival
	ends   time.Time // until when what it brings is fresh
	body   *body     // of content that streams
}

// flight returns the flight that v can join. The caller holds c.mu.
func (c *Cache) flight(v *viewer, now time.Time) *flight {
	for _, f := range c.flights[v.key] {
		if f.variant.matches(v.req.Header) && (f.ends.IsZero() || now.Before(f.ends)) {
			return f
		}
	}
	return nil
}

// launch starts a flight. The caller holds c.mu.
func (c *Cache) launch(v *viewer, o *object, e *entry) *flight {
	varies := v.varies
	if varies == nil && o != nil {
		varies = o.varies
	}
	return c.start(v, &flight{entry: e, variant: variantOf(varies, v.req.Header)})
}

// refresh validates e in the background, unless that is under way. The caller
// holds c.mu.
func (c *Cache) refresh(v *viewer, e *entry, o *object) {
	for _, f := range c.flights[v.key] {
		if f.variant.matches(v.req.Header) {
			return
		}
	}
	background := *v
	background.asks = asks{control: v.asks.control}
	request := *v.req
	request.Method = "GET"
	if v.asks != background.asks {
		request.Header = v.req.Header.Clone()
		for _, name := range [...]string{"If-None-Match", "If-Modified-Since", "Range", "If-Range"} {
			delete(request.Header, name)
		}
	}
	background.req = &request
	c.start(&background, &flight{entry: e, variant: variantOf(o.varies, v.req.Header), quiet: true})
}

// start runs f. The caller holds c.mu.
func (c *Cache) start(v *viewer, f *flight) *flight {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(v.ctx))
	f.key, f.begun, f.cancel, f.headed = v.key, v, cancel, make(chan struct{})
	f.got = arrival{err: errNoResponse, reply: Reply{Outcome: Miss, Forward: v.why}}
	c.flights[v.key] = append(c.flights[v.key], f)
	c.flying[f] = struct{}{}
	c.running.Go(func() {
		// Deferred, so that viewers are not left waiting by a fetch that ends
		// its goroutine.
		defer c.land(f)
		c.fly(ctx, f)
	})
	return f
}

func (c *Cache) fly(ctx context.Context, f *flight) {
	q := &question{viewer: f.begun, entry: f.entry, shared: true, void: func() bool { return f.void }}
	resp, err := c.ask(ctx, q)
	if err != nil && errors.Is(context.Cause(ctx), ErrClosed) {
		err = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	f.got = c.receive(q, resp, err)
	r := f.got.reply.Response
	if f.got.err != nil || r.Stream == nil {
		return
	}
	if f.got.keep == nil {
		c.hand(f, r)
		return
	}
	c.pump(ctx, f, r)
}

// hand gives a stream that cannot be shared to who began the flight.
func (c *Cache) hand(f *flight, r *Response) {
	c.mu.Lock()
	gone := f.gone || f.quiet
	if !gone {
		f.handed = r
	}
	c.mu.Unlock()
	if gone {
		_ = r.Stream.Close() // nobody is left to read it
	}
}

// pump takes in content that streams, for viewers and for the store.
func (c *Cache) pump(ctx context.Context, f *flight, r *Response) {
	in := c.intake(r)
	c.mu.Lock()
	f.body = in.body
	if f.got.shared {
		f.variant, f.ends = f.got.variant, f.got.keep.entry.expires
	} else {
		c.strike(f)
	}
	c.mu.Unlock()
	close(f.headed)
	err := errNoResponse
	stop := context.AfterFunc(ctx, func() { _ = r.Stream.Close() }) // ends a Read that waits
	defer func() {
		if stop() {
			_ = r.Stream.Close() // its end is known
		}
		c.landed(f.got.keep, in, errors.Is(err, io.EOF))
		c.mu.Lock()
		c.strike(f)
		c.mu.Unlock()
		in.body.finish(err)
	}()
	err = c.copy(ctx, f, in, r.Stream)
}

// copy returns io.EOF at the end of whole content.
func (c *Cache) copy(ctx context.Context, f *flight, in *intake, stream io.Reader) error {
	buffer := make([]byte, chunk)
	for {
		n, err := stream.Read(buffer)
		if n > 0 && !in.refused {
			if in.take(buffer[:n]); in.refused {
				if !c.narrow(f) {
					return errTooLarge
				}
			} else {
				n = 0
			}
		}
		if n > 0 {
			if err := in.body.pass(ctx, buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return in.check(err)
		}
	}
}

// errTooLarge ends a fetch whose content nobody reads.
var errTooLarge = errors.New("content is too large to be stored, and no viewer reads it")

// narrow lets f go on for those who read it, and for nobody else. It reports
// whether there is anyone.
func (c *Cache) narrow(f *flight) bool {
	c.mu.Lock()
	c.strike(f)
	read := f.viewers > 0
	f.quiet = false // the last reader ends it
	c.mu.Unlock()
	f.body.mu.Lock()
	f.body.narrow = true
	f.body.mu.Unlock()
	return read
}

// strike takes f off the list of what can be joined. The caller holds c.mu.
func (c *Cache) strike(f *flight) {
	flights := c.flights[f.key]
	at := slices.Index(flights, f)
	if at < 0 {
		return
	}
	if len(flights) == 1 {
		delete(c.flights, f.key)
		return
	}
	c.flights[f.key] = slices.Delete(slices.Clone(flights), at, at+1)
}

// land ends f for those who wait, after what it brought can be found in the
// store: whoever comes later starts anew.
func (c *Cache) land(f *flight) {
	c.mu.Lock()
	c.strike(f)
	delete(c.flying, f)
	handed := f.handed
	c.mu.Unlock()
	if handed == nil {
		f.cancel(nil)
	}
	if f.body == nil {
		close(f.headed)
	}
}

// leave takes a viewer off f. The last one ends the fetch; viewers to come do
// not join what is being given up.
func (c *Cache) leave(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.viewers--
	if f.viewers > 0 || f.quiet {
		return
	}
	c.strike(f)
	f.cancel(context.Canceled)
}

// quit is leave for who began f: a stream that is for it alone ends.
func (c *Cache) quit(f *flight) {
	c.mu.Lock()
	f.gone = true
	handed := f.handed
	c.mu.Unlock()
	if handed != nil {
		_ = handed.Stream.Close() // nobody is left to read it
		f.cancel(nil)
	}
	c.leave(f)
}

func (c *Cache) lead(v *viewer, f *flight) (Reply, error) {
	select {
	case <-f.headed:
	case <-v.ctx.Done():
		c.quit(f)
		c.count(Miss)
		return Reply{Outcome: Miss, Forward: v.why}, v.ctx.Err()
	}
	reply := f.got.reply
	c.count(reply.Outcome)
	if f.got.err != nil {
		return reply, f.got.err
	}
	if f.handed != nil {
		reply.Response = f.own(v.ctx)
	} else if f.body != nil {
		reply.Response = c.view(v, f)
	}
	return c.finish(v, reply, f), nil
}

// own returns the response that is for who began f alone. The fetch's context
// ends with the content, or with the viewer's.
func (f *flight) own(ctx context.Context) *Response {
	r := *f.handed
	stop := context.AfterFunc(ctx, func() { f.cancel(context.Cause(ctx)) })
	r.Stream = &owned{ReadCloser: f.handed.Stream, end: func() {
		stop()
		f.cancel(nil)
	}}
	return &r
}

type owned struct {
	io.ReadCloser
	end func()
}

func (o *owned) Close() error {
	err := o.ReadCloser.Close()
	o.end()
	return err
}

// view returns what f brings, as it comes.
func (c *Cache) view(v *viewer, f *flight) *Response {
	r := *f.got.reply.Response
	if v != f.begun {
		r.Header = f.got.others.Header
	}
	r.Stream = f.body.join(v.ctx, func() { c.leave(f) })
	return &r
}

func (c *Cache) follow(v *viewer, f *flight) (Reply, error) {
	reply := Reply{Outcome: Collapsed, Forward: v.why}
	select {
	case <-f.headed:
	case <-v.ctx.Done():
		c.leave(f)
		c.count(Collapsed)
		return reply, v.ctx.Err()
	}
	if f.got.err != nil {
		c.count(Collapsed)
		return reply, f.got.err
	}
	if !f.got.shared || !f.got.variant.matches(v.req.Header) {
		return c.again(v, f)
	}
	outcome := Collapsed
	if f.got.reply.Outcome == Stale {
		outcome = Stale
	}
	c.count(outcome)
	reply = f.got.reply
	reply.Outcome, reply.Forward = outcome, v.why
	if f.body != nil {
		reply.Response = c.view(v, f)
	} else {
		reply.Response = f.got.others
	}
	return c.finish(v, reply, f), nil
}

// again starts anew for a viewer whom the answer it waited for does not serve.
func (c *Cache) again(v *viewer, f *flight) (Reply, error) {
	if f.body != nil {
		c.leave(f)
	}
	v.tries++
	v.varies = f.got.variant.fields
	if !f.got.shared {
		v.tries++ // everyone for itself, at once
	}
	now := time.Now()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return Reply{Outcome: Pass}, ErrClosed
	}
	o := c.store.index[v.key]
	e := o.find(v.req.Header)
	if e != nil && e.fresh(now) {
		c.store.policy.touch(&e.item)
		c.counted(Hit)
		reply := Reply{Response: e.response, Outcome: Hit, Age: now.Sub(e.born), Left: e.expires.Sub(now)}
		c.mu.Unlock()
		return c.finish(v, reply, nil), nil
	}
	return c.forward(v, o, e, now)
}
