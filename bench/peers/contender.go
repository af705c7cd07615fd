package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// concurrency is how many connections every contender uses.
const concurrency = 50

// contender is one generator. All of its commands are run alike.
type contender struct {
	name string
	// tool is what to look for; "" is originpull itself.
	tool    string
	version []string // arguments that make it print its version
	shim    bool     // needs the client certificate preloaded
	// args returns the command line, or why it cannot do the load.
	args func(l *lab, w load) ([]string, error)
	// own runs it where a command line is not enough.
	own func(ctx context.Context, l *lab, w load) (time.Duration, error)
	// accepts counts connections rather than requests: it makes none of the latter.
	accepts bool
	// tolerant: it ends on its deadline with requests under way, and says so by failing.
	tolerant bool
}

// missing is why a contender is not run.
type missing struct{ reason string }

func (m missing) Error() string { return m.reason }

func (l *lab) find(tool string) (string, error) {
	local, err := filepath.Abs(filepath.Join(l.options.tools, tool))
	if err == nil {
		if s, err := os.Stat(local); err == nil && !s.IsDir() {
			return local, nil
		}
	}
	path, err := exec.LookPath(tool)
	if err != nil {
		return "", missing{tool + " is not installed"}
	}
	return path, nil
}

// ran is what one contender achieved in one round.
type ran struct {
	count   int64
	cpu     time.Duration
	connect int64
}

func (r ran) rate() float64 { return float64(r.count) / r.cpu.Seconds() }

// run lets c make the load for one round, counted by nginx.
func (c *contender) run(ctx context.Context, l *lab, w load) (ran, error) {
	before, err := l.status(ctx)
	if err != nil {
		return ran{}, err
	}
	cpu, err := c.generate(ctx, l, w)
	if err != nil {
		return ran{}, err
	}
	after, err := l.status(ctx)
	if err != nil {
		return ran{}, err
	}
	bad, err := l.bad()
	if err != nil {
		return ran{}, err
	}
	if bad != "" {
		return ran{}, fmt.Errorf("nginx gave an answer that the row does not ask for: %s", bad)
	}
	r := ran{count: after.requests - before.requests - 1, connect: after.accepts - before.accepts - 1, cpu: cpu}
	if c.accepts {
		r.count = r.connect
	} else if !w.reuse && r.connect < r.count {
		return ran{}, fmt.Errorf("%d requests on %d connections, where each should have its own", r.count, r.connect)
	} else if w.reuse && r.connect > 3*concurrency {
		return ran{}, fmt.Errorf("%d connections where %d should be kept", r.connect, concurrency)
	}
	if r.count < 1 || cpu <= 0 {
		return ran{}, fmt.Errorf("nothing was counted: %+v", r)
	}
	return r, nil
}

func (c *contender) generate(ctx context.Context, l *lab, w load) (time.Duration, error) {
	if c.own != nil {
		return c.own(ctx, l, w)
	}
	path, err := l.find(c.tool)
	if err != nil {
		return 0, err
	}
	args, err := c.args(l, w)
	if err != nil {
		return 0, err
	}
	if c.shim && w.mtls && l.shim == "" {
		return 0, missing{"no C compiler for the shim that gives it a client certificate"}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", fmt.Sprint(generatorCore), path}, args...)...)
	cmd.Dir = l.folder
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if c.shim && w.mtls {
		cmd.Env = append(cmd.Env, "LD_PRELOAD="+l.shim, "PEERS_CERT="+l.file("client.pem"), "PEERS_KEY="+l.file("client.key"))
	}
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!c.tolerant || !errors.As(err, &exit) || ctx.Err() != nil) {
		return 0, fmt.Errorf("%s: %w: %s", c.name, err, lastLine(said))
	}
	return cpuOf(cmd), nil
}

func cpuOf(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	line := lines[len(lines)-1]
	return line[:min(len(line), 200)]
}

func (l *lab) url(w load) string { return fmt.Sprintf("https://127.0.0.1:%d/o/0", l.ports[w.port()]) }
