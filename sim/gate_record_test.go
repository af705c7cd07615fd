package sim

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"
)

// How much is recorded: trials of so many seconds of blocks, longer than a
// gate's, so that designs which stay with one pair of processes have enough.
const (
	recordedTrials  = 40
	recordedSeconds = 4
)

// TestRecordNoise writes what every block of two sides that are the same cost,
// for other designs of a gate to be tried on it: make gate-record. It times the
// machine that it runs on, and is no test of anything.
func TestRecordNoise(t *testing.T) {
	name := os.Getenv("GATE_RECORD")
	if name == "" {
		t.Skip("GATE_RECORD names no file to record to")
	}
	plan := compileLibrary(t, "gate-selftest")
	joined, err := Versus(plan, plan)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(file)
	err = recordNoise(t.Context(), joined.WithTrials(recordedTrials, recordedSeconds, 0), testConfig(t), zipped)
	if err := errors.Join(err, zipped.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
}

// recordNoise writes a line for each round: trial, then edge and origin of
// base, head and plain TCP, in nanoseconds of CPU a handshake.
func recordNoise(ctx context.Context, plan *Plan, cfg Config, w io.Writer) error {
	if err := os.MkdirAll(auditFolder(cfg), 0o755); err != nil {
		return err
	}
	r := &run{plan: plan, cfg: cfg, started: time.Now(), servers: found{}}
	x := &plan.Experiments[0]
	l, err := newLab()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, "trial,base.edge,base.origin,head.edge,head.origin,plain.edge,plain.origin"); err != nil {
		return err
	}
	for index := 1; index <= x.Trials; index++ {
		trials := r.trial(ctx, x, index, l, func(ctx context.Context, pairs []*pair) { r.measure(ctx, x, measured{index, 0}, pairs) })
		for round := range trials[0].blocks {
			line := fmt.Sprint(index)
			for i := range trials {
				t := &trials[i]
				if t.err != nil || t.noCPU != nil || round >= len(t.blocks) || t.blocks[round].count == 0 {
					return fmt.Errorf("trial %d, round %d of %s: %w", index, round, x.Arms[i].Name, errors.Join(t.err, t.noCPU, errNothingMeasured))
				}
				b := t.blocks[round]
				line += fmt.Sprintf(",%d,%d", int64(b.edge)/b.count, int64(b.origin)/b.count)
			}
			if _, err := fmt.Fprintln(w, line); err != nil {
				return err
			}
		}
	}
	return nil
}
