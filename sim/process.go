package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// stopGrace is how long a worker gets to end by itself once its standard
// input is closed.
const stopGrace = 2 * time.Second

// process is a worker process as its coordinator sees it.
type process struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan Answer   // closed when the worker's output ends
	exited  chan struct{} // closed when the process has been waited for
	exit    error         // valid after exited
	late    error         // an answer that is still owed: what comes next is not the next answer
	output  *tail         // what it printed on standard error
}

// startProcess starts a worker of the role. The worker gets a process group
// of its own: an interrupt at the terminal reaches the coordinator only,
// which then ends its workers in order.
func (c *Config) startProcess(role, name string, env []string) (*process, error) {
	p := &process{name: name, answers: make(chan Answer, 1), exited: make(chan struct{}), output: &tail{}}
	p.cmd = exec.Command(c.Worker[0], slices.Concat(c.Worker[1:], []string{role})...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.output
	if role == RoleHop {
		ownSession(p.cmd)
	} else {
		ownGroup(p.cmd)
	}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p.in = in
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go p.read(out)
	return p, nil
}

// read owns the worker's output and its end; stop waits for it.
func (p *process) read(out io.Reader) {
	defer close(p.exited)
	lines := newLineReader(out)
	for {
		var a Answer
		if err := lines.next(&a); err != nil {
			break
		}
		p.answers <- a
	}
	close(p.answers)
	p.exit = p.cmd.Wait()
}

// ask sends one command and waits for its answer. A worker that was not
// waited for is asked nothing more.
func (p *process) ask(ctx context.Context, c Command) (Answer, error) {
	if p.late != nil {
		return Answer{}, fmt.Errorf("%s is not asked %q: %w", p.name, c.Type, p.late)
	}
	if err := writeLine(p.in, c); err != nil {
		return Answer{}, p.ended(ctx, err)
	}
	select {
	case a, open := <-p.answers:
		if !open {
			return Answer{}, p.ended(ctx, io.ErrUnexpectedEOF)
		}
		if a.Type == msgError {
			return a, fmt.Errorf("%s: %s", p.name, a.Error)
		}
		return a, nil
	case <-ctx.Done():
		p.late = fmt.Errorf("it did not answer %q in time", c.Type)
		return Answer{}, fmt.Errorf("%s did not answer %q: %w", p.name, c.Type, context.Cause(ctx))
	}
}

// ended describes how the worker ended, with the last it said.
func (p *process) ended(ctx context.Context, cause error) error {
	select {
	case <-p.exited:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", p.name, cause)
	case <-time.After(stopGrace):
		return fmt.Errorf("%s: %w", p.name, cause)
	}
	return p.early()
}

// early says how a worker that has exited did so.
func (p *process) early() error {
	how := "exited"
	if p.exit != nil {
		how = p.exit.Error()
	}
	if last := p.output.last(); last != "" {
		return fmt.Errorf("%s ended early (%s); it said: %s", p.name, how, last)
	}
	return fmt.Errorf("%s ended early (%s)", p.name, how)
}

// pids are the processes whose CPU is the worker's.
func (p *process) pids() ([]int, error) { return []int{p.cmd.Process.Pid}, nil }

// stop ends the worker and waits for it; one that does not end by itself is
// killed. The error says how it had ended before it was told to.
func (p *process) stop() error {
	select {
	case <-p.exited:
		return p.early()
	default:
	}
	_ = p.in.Close()
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	for {
		select {
		case <-p.exited:
			return nil
		case _, open := <-p.answers: // unread answers must not block its end
			if !open {
				p.answers = nil
			}
		case <-grace.C:
			_ = p.cmd.Process.Kill()
		}
	}
}

// leave tells the worker to end and waits for it as long as the context does:
// for what it writes at its end. stop would kill it before.
func (p *process) leave(ctx context.Context) error {
	_ = p.in.Close()
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s did not end: %w", p.name, context.Cause(ctx))
	}
}

// tail keeps the last of what a worker printed.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

// last returns the last lines as one.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Fields(string(t.text)), " ")
}

// errNoAnswer guards against a worker that answers something else.
var errNoAnswer = errors.New("answered without content")
