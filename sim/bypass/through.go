package bypass

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// throughEdge pulls through the legitimate edge for a viewer who sends the
// headers.
func throughEdge(name string, header ...[2]string) func(context.Context, *Lab) (Outcome, error) {
	return func(ctx context.Context, l *Lab) (Outcome, error) {
		viewer := edge.Viewer{Path: protectedPath, Header: http.Header{}}
		for _, h := range header {
			viewer.Header.Add(h[0], h[1])
		}
		reply, err := l.pullFor(ctx, viewer)
		if err != nil {
			return Outcome{}, fmt.Errorf("%s: %w", name, err)
		}
		step := Step{Name: name, Stage: wire.StageHTTP, Status: reply.Status, Proof: reply.Header.Get(origin.ProofHeader)}
		if !step.Protected() {
			return Outcome{Denied: fmt.Sprintf("%s: status %d", name, reply.Status)}, nil
		}
		return Outcome{Steps: []Step{step}}, nil
	}
}

// pullFor pulls for a viewer through an edge of its own.
func (l *Lab) pullFor(ctx context.Context, viewer edge.Viewer) (edge.Reply, error) {
	e, err := edge.New(l.edgeConfig())
	if err != nil {
		return edge.Reply{}, fmt.Errorf("making the legitimate edge: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	reply, err := e.Pull(limited, viewer)
	return reply, errors.Join(err, e.Close())
}
