package sim

import (
	"context"
	"fmt"
	"net"

	"github.com/originpull/originpull/wire"
)

// bothWorker is edge and built-in origin in one process with its memory between
// them, for who counts the instructions of an exchange.
type bothWorker struct {
	edge   edgeWorker
	origin originWorker
}

func (w *bothWorker) start(ctx context.Context, s *Start) (Answer, error) {
	if s.Far == nil {
		return Answer{}, fmt.Errorf("a worker that is %s needs both ends' part of the plan", RoleBoth)
	}
	network := newMemory()
	w.origin.sockets = func(context.Context, bool) (net.Listener, net.PacketConn, error) { return network, nil, nil }
	if _, err := w.origin.start(ctx, s.Far); err != nil {
		return Answer{}, err
	}
	near := *s
	near.Origin = network.address
	w.edge.sites = []wire.Dialer{{Network: network, Source: s.Source}}
	return w.edge.start(ctx, &near)
}

func (w *bothWorker) handle(ctx context.Context, c Command) (Answer, error) {
	answer, err := w.edge.handle(ctx, c)
	if err != nil || c.Type != msgDrain {
		return answer, err
	}
	far, err := w.origin.handle(ctx, c)
	answer.Origin = far.Origin
	return answer, err
}

func (w *bothWorker) close() {
	w.edge.close()
	w.origin.close()
}
