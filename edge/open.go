package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
)

// Visit is a viewer's request whose content, and whose answer's, streams.
type Visit struct {
	// Viewer's Scratch is not used. Header stays as it is until the visit's
	// fetch has ended, which may be after Open has returned. With
	// Config.KeepHost, Host is the origin's too.
	Viewer
	// Content, Length, Trailer and Interim are as in pool.Request. Interim may
	// be called by another goroutine while Open runs, and after it has returned
	// because the viewer left.
	Content io.ReadCloser
	Length  int64
	Trailer http.Header
	Interim func(status int, header http.Header)
}

// Answer is what Open returns: the cache's reply or, with an error, the status
// that the viewer is to be told, 0 where Behaviour.Status has none.
type Answer struct {
	cache.Reply
	Status int
}

// Open answers a viewer as Pull does, with content that streams. The answer's
// Response.Stream, where it is set, must be read to its end and closed.
//
// A GET or HEAD with content goes past the cache: what it is answered is about
// its content, and no other viewer's.
func (e *Edge) Open(ctx context.Context, v *Visit) (Answer, error) {
	if v.Method == "" {
		v.Method = http.MethodGet
	}
	if err := e.cfg.barred(v.Header, e.aim.Load().target.TLS); err != nil {
		return Answer{Status: e.cfg.Status[PhaseBarred]}, fmt.Errorf("%s %s: %w", v.Method, v.Path, &Failure{PhaseBarred, err})
	}
	f := &visit{edge: e, asked: v}
	request := &cache.Request{Method: v.Method, Host: cmp.Or(v.Host, e.cfg.Host), Path: v.Path, Header: v.Header}
	var reply cache.Reply
	var err error
	if v.Content != nil && (v.Method == http.MethodGet || v.Method == http.MethodHead) {
		e.passed.Add(1)
		reply, err = f.pass(ctx, request)
	} else {
		reply, err = e.cache.Serve(ctx, request, f.run)
	}
	if err == nil {
		return Answer{Reply: reply}, nil
	}
	answer := Answer{Reply: reply}
	if failure, ok := errors.AsType[*Failure](err); ok && ctx.Err() == nil {
		answer.Status = e.cfg.Status[failure.Phase]
	}
	return answer, fmt.Errorf("%s %s: %w", v.Method, v.Path, err)
}

// Retarget replaces Config.Target and Config.Header for later pulls: another
// address, another certificate, another secret. Exchanges under way end where
// they began; connections that are idle are closed.
func (e *Edge) Retarget(t pool.Target, header [][2]string) {
	e.aim.Store(&aim{e.cfg.shape(t), header})
	for _, p := range e.pools {
		p.CloseIdle()
	}
}

// visit is a viewer's pull from the origin, if it comes to that.
type visit struct {
	edge  *Edge
	asked *Visit

	request *pool.Request
	answer  *pool.Answer
}

// pass fetches past the cache.
func (f *visit) pass(ctx context.Context, request *cache.Request) (cache.Reply, error) {
	response, err := f.run(ctx, request)
	if err != nil {
		return cache.Reply{Outcome: cache.Pass, Forward: cache.ForwardBypass}, err
	}
	return cache.Reply{Response: response, Outcome: cache.Pass, Forward: cache.ForwardBypass, Fetched: response.Status}, nil
}

// run is called once at a time, and twice only without content.
func (f *visit) run(ctx context.Context, req *cache.Request) (*cache.Response, error) {
	e, v := f.edge, f.asked
	if e.cfg.Parent != nil {
		return f.above(ctx, req)
	}
	f.request = &pool.Request{
		Method: req.Method, Host: e.cfg.Host, Path: req.Path, Header: e.header(req.Header),
		Content: v.Content, Length: v.Length, Trailer: v.Trailer, Interim: v.Interim,
	}
	if e.cfg.KeepHost {
		f.request.Host = req.Host
	}
	method := req.Method
	if v.Content != nil {
		method = "" // content is sent once, so that no answer is waited for twice
	}
	if err := e.try(ctx, method, f); err != nil {
		return nil, err
	}
	a := f.answer
	response := &cache.Response{Status: a.Status, Header: a.Header, Trailer: a.Trailer}
	if empty(req.Method, a.Status) {
		response.Trailer = nil
		return response, a.Content.Close()
	}
	response.Stream = a.Content
	return response, nil
}

func (f *visit) send(ctx context.Context, p *pool.Pool, target *pool.Target) (pool.Exchange, error) {
	answer, exchange, err := p.Open(ctx, target, f.request)
	f.answer = answer
	return exchange, err
}

// above fetches from the tier above, as fetch.above does.
func (f *visit) above(ctx context.Context, req *cache.Request) (*cache.Response, error) {
	v := *f.asked
	v.Method, v.Path, v.Header, v.Host = req.Method, req.Path, req.Header, req.Host
	answer, err := f.edge.cfg.Parent.Open(ctx, &v)
	if err != nil {
		return nil, err
	}
	response := *answer.Response
	if answer.Age > 0 {
		response.Header = response.Header.Clone()
		response.Header.Set("Age", strconv.FormatInt(int64(answer.Age/time.Second), 10))
	}
	return &response, nil
}

// empty reports whether such a response has no content (RFC 9110, section
// 6.4.1).
func empty(method string, status int) bool {
	return method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
}
