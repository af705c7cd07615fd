package sim

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/originpull/originpull/origin"
)

// originEnd is the origin of a pair.
type originEnd interface {
	// pids are the processes whose CPU is the origin's.
	pids() ([]int, error)
	// drain waits for the last of the connections that the edge made, and
	// returns what became of all.
	drain(ctx context.Context, made int64) (*origin.Counts, error)
	// stop ends it and waits; the error says how it had ended before that.
	stop() error
}

// startOrigin starts the origin that an arm asks for, and says where it
// listens.
func (r *run) startOrigin(ctx context.Context, start *Start) (originEnd, netip.AddrPort, error) {
	if start.Arm.Settings.Origin.Server != builtin {
		end, at, err := startServer(ctx, start, nil)
		if err != nil {
			return nil, at, err // a nil *serverEnd would be an origin
		}
		return end, at, nil
	}
	name := "the origin of " + start.Arm.Name
	start.QUIC = start.Arm.overQUIC()
	p, err := r.cfg.of(&start.Arm).startProcess(RoleOrigin, name, workerEnv())
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	end := builtinEnd{p}
	address, err := end.listen(ctx, start)
	return end, address, err
}

// builtinEnd is the built-in origin in a worker process.
type builtinEnd struct{ *process }

// listen starts the server in the worker.
func (w builtinEnd) listen(ctx context.Context, start *Start) (netip.AddrPort, error) {
	all, err := w.listenAll(ctx, start)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return all[0], nil
}

// listenAll is listen with every address: there is at least one.
func (w builtinEnd) listenAll(ctx context.Context, start *Start) ([]netip.AddrPort, error) {
	ready, err := w.ask(ctx, Command{Type: msgStart, Start: start})
	if err != nil {
		return nil, err
	}
	if len(ready.Addresses) == 0 {
		return nil, fmt.Errorf("%s: %w", w.name, errNoAnswer)
	}
	all := make([]netip.AddrPort, len(ready.Addresses))
	for i, text := range ready.Addresses {
		if all[i], err = netip.ParseAddrPort(text); err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return all, nil
}

func (w builtinEnd) drain(ctx context.Context, _ int64) (*origin.Counts, error) {
	answer, err := w.ask(ctx, Command{Type: msgDrain})
	if err == nil && answer.Origin == nil {
		err = fmt.Errorf("%s: drain: %w", w.name, errNoAnswer)
	}
	return answer.Origin, err
}

// sumCPU adds the CPU clocks of the processes of one end.
func sumCPU(pids func() ([]int, error)) (time.Duration, error) {
	all, err := pids()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, pid := range all {
		used, err := processCPU(pid)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}
