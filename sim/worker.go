package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Worker roles, as `originpull worker ROLE` takes them.
const (
	RoleEdge   = "edge"
	RoleOrigin = "origin"
	RoleHop    = "hop"  // both, and the link between them
	RoleBoth   = "both" // both, on loopback
)

// worker is one side of the hop in a process of its own.
type worker interface {
	start(ctx context.Context, s *Start) (Answer, error)
	handle(ctx context.Context, c Command) (Answer, error)
	close()
}

// ServeWorker runs a worker until its input ends or it has drained. Problems
// that the coordinator should know travel as an error message on out; what
// is returned is a broken pipe or an unknown role.
func ServeWorker(ctx context.Context, role string, in io.Reader, out io.Writer) error {
	var w worker
	switch role {
	case RoleEdge:
		w = &edgeWorker{}
	case RoleOrigin:
		w = &originWorker{}
	case RoleHop:
		w = &hopWorker{}
	case RoleBoth:
		w = &bothWorker{}
	default:
		return fmt.Errorf("unknown worker role %q: it is %s, %s, %s or %s", role, RoleEdge, RoleOrigin, RoleHop, RoleBoth)
	}
	defer w.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	commands := readCommands(in, cancel)
	for {
		select {
		case <-ctx.Done():
			return workerEnd(ctx)
		case c, open := <-commands:
			if !open {
				return workerEnd(ctx)
			}
			answer, err := dispatch(ctx, w, c)
			if ctx.Err() != nil {
				return workerEnd(ctx)
			}
			if err != nil {
				answer = Answer{Type: msgError, Error: err.Error()}
			}
			answer.Protocol = ProtocolVersion
			if err := writeLine(out, answer); err != nil {
				return err
			}
		}
	}
}

// readCommands reads in a goroutine of its own, so that the end of the input
// interrupts a block at once. The goroutine ends with the input; a worker
// process ends right after, so nothing waits for it.
func readCommands(in io.Reader, cancel context.CancelCauseFunc) <-chan Command {
	commands := make(chan Command)
	go func() {
		defer close(commands)
		lines := newLineReader(in)
		for {
			var c Command
			if err := lines.next(&c); err != nil {
				if errors.Is(err, io.EOF) {
					err = errEnded
				}
				cancel(err)
				return
			}
			commands <- c
		}
	}()
	return commands
}

func dispatch(ctx context.Context, w worker, c Command) (Answer, error) {
	if c.Type != msgStart {
		return w.handle(ctx, c)
	}
	if c.Start == nil {
		return Answer{}, errors.New("a start message without its content")
	}
	if c.Start.Protocol != ProtocolVersion {
		return Answer{}, fmt.Errorf("the coordinator speaks protocol %d, this worker %d: use one build for both", c.Start.Protocol, ProtocolVersion)
	}
	return w.start(ctx, c.Start)
}

// workerEnd tells an ordered end from a broken one.
func workerEnd(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errEnded) && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}
