package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// content is a viewer's, as it is read for the origin.
type content struct {
	trip    *trip
	control *http.ResponseController

	mu     sync.Mutex // guards the next
	ended  bool       // at its end, or failed
	closed bool
	all    bool // at its end
	cancel context.CancelFunc

	err error // why it is not whole; nil = it is, or was not wanted. Set before Read returns.
}

// context is the request's, but only once the content is at its end: before, a
// viewer's leaving shows when content is read, with its reason. net/http takes
// any failure to read for leaving, and cancels first.
func (c *content) context(of context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(of))
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	stop := context.AfterFunc(of, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.all {
			cancel()
		}
	})
	return ctx, func() {
		stop()
		cancel()
	}
}

// Read gives each piece its time.
func (c *content) Read(b []byte) (int, error) {
	c.mu.Lock()
	if c.closed || c.ended {
		c.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	_ = c.control.SetReadDeadline(time.Now().Add(c.trip.proxy.cfg.Timeouts.Read)) // a connection that is gone says so when it is read
	c.mu.Unlock()
	n, err := c.trip.r.Body.Read(b)
	if err == nil {
		return n, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if errors.Is(err, io.EOF) {
		c.all = true
		_ = c.control.SetReadDeadline(time.Time{}) // else net/http took it for the viewer's leaving
		if c.trip.r.Context().Err() != nil {
			c.cancel()
		}
	} else if !c.closed {
		c.err = err
	}
	return n, err
}

// whole reports whether all of it was read. Before, the request's context ends
// with any failure to read, Close among them, and does not say that the viewer
// has left.
func (c *content) whole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// Close ends a Read that waits.
func (c *content) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.ended {
		return nil
	}
	c.closed = true
	return c.control.SetReadDeadline(poke)
}
