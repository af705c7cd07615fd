package edge

import (
	"context"

	"github.com/originpull/originpull/edge/cache"
)

// Scratch is the memory of a viewer that asks again and again, so that pulls
// without a cache need none of their own. Its zero value is ready. An edge with
// a cache, or with a parent, does not use it: what a cache takes it keeps.
type Scratch struct{ fetch fetch }

// pass answers a viewer where nothing stands between it and the origin.
func (e *Edge) pass(ctx context.Context, v Viewer) (Reply, error) {
	e.passed.Add(1)
	f := &v.Scratch.fetch
	f.edge, f.ended, f.earlier = e, false, nil
	err := f.ask(ctx, v.Method, v.Path, v.Header)
	reply := Reply{Outcome: cache.Pass}
	reply.Exchange, reply.Earlier = f.done()
	if err != nil {
		return e.failed(ctx, &v, reply, err)
	}
	reply.Status, reply.Header, reply.Body = f.response.Status, f.response.Header, f.response.Body
	return reply, nil
}
