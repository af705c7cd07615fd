package sim

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

type discarded struct{ lines int }

func (d *discarded) Write(b []byte) (int, error) { d.lines++; return len(b), nil }
func (d *discarded) Close() error                { return nil }

// TestALateWorkerIsAskedNothingMore: its next answer would be that of the
// question before.
func TestALateWorkerIsAskedNothingMore(t *testing.T) {
	in := &discarded{}
	p := &process{name: "the origin", in: in, answers: make(chan Answer)}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.ask(ctx, Command{Type: msgReload}); !errors.Is(err, context.Canceled) {
		t.Fatalf("the first error is %v", err)
	}
	_, err := p.ask(t.Context(), Command{Type: msgDrain})
	if want := `the origin is not asked "drain": it did not answer "reload" in time`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the second error is %v, want %s", err, want)
	}
	if in.lines != 1 {
		t.Errorf("%d commands were written, want 1", in.lines)
	}
}

var _ io.WriteCloser = (*discarded)(nil)
