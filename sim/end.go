package sim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/originpull/originpull/edge/pool"
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

// severalEnds are several origins as one.
type severalEnds struct {
	ends   []originEnd
	made   []pool.Stats    // what the edge's pools did towards each
	counts []origin.Counts // of each, once they are drained
}

// startSeveral starts each of several origins, told of nothing but itself, and
// then the edge, which has credentials for each.
func (r *run) startSeveral(ctx context.Context, p *pair, index int, lab *lab) error {
	near := Start{Protocol: ProtocolVersion, Arm: *p.arm, Seed: trialSeed(r.plan.Seed, index), Source: edgeAddress()}
	several := &severalEnds{}
	p.origin = several // what has started is stopped, whatever becomes of the others
	for _, part := range p.arm.parts() {
		credentials, err := lab.credentials(&part)
		if err != nil {
			return err
		}
		start, err := r.originStart(&part, index, credentials)
		if err != nil {
			return err
		}
		end, at, err := r.startOrigin(ctx, &start)
		if end != nil {
			several.ends = append(several.ends, end)
		}
		if err != nil {
			return err
		}
		start.Credentials, start.Certificate, start.Audit, start.Source, start.Origin = credentials.edge, "", "", near.Source, at
		near.Parts = append(near.Parts, start)
	}
	return r.startEdge(ctx, p, &near)
}

func (s *severalEnds) pids() ([]int, error) {
	var all []int
	for _, end := range s.ends {
		own, err := end.pids()
		if err != nil {
			return nil, err
		}
		all = append(all, own...)
	}
	return all, nil
}

// drain returns the sum of what they counted.
func (s *severalEnds) drain(ctx context.Context, _ int64) (*origin.Counts, error) {
	if len(s.made) != len(s.ends) {
		return nil, fmt.Errorf("the edge counted for %d of %d origins: %w", len(s.made), len(s.ends), errNoAnswer)
	}
	total := &origin.Counts{}
	for i, end := range s.ends {
		counts, err := end.drain(ctx, s.made[i].Connects)
		if err != nil {
			return nil, err
		}
		s.counts = append(s.counts, *counts)
		*total = total.Plus(*counts)
	}
	return total, nil
}

func (s *severalEnds) stop() error {
	early := make([]error, len(s.ends))
	var wg sync.WaitGroup
	for i, end := range s.ends {
		wg.Go(func() { early[i] = end.stop() })
	}
	wg.Wait()
	return errors.Join(early...)
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
