package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/originpull/originpull/results"
)

// kind is one kind of gate that evidence is taken of.
type kind struct {
	name, words string
	want        int
	args        []string
	expected    results.Verdict // of a gate that is right
}

var kinds = []kind{
	{"same", "nothing changed", 30, []string{"gate", "gate-selftest"}, results.GatePassed},
	{"planted", "5 % of CPU planted at head's origin", 20, []string{"gate", "gate-selftest", "--head-set", "origin.plant.cpu=0.05"}, results.Regression},
	{"instructions-same", "instructions, nothing changed", 100, []string{"gate", "gate-instructions", "--instructions"}, results.GatePassed},
	{"instructions-planted", "instructions, 1 % planted on head", 10, []string{"gate", "gate-instructions", "--instructions", "--head-set", "edge.plant.cpu=0.01"}, results.Regression},
}

// outcome is one gate, as it is kept.
type outcome struct {
	Kind    string          `json:"kind"`
	Started time.Time       `json:"started"`
	Build   string          `json:"build"` // git revision
	Error   string          `json:"error,omitempty"`
	Verdict results.Verdict `json:"verdict,omitempty"`
	Elapsed float64         `json:"elapsed"`          // seconds, all of it
	Looked  float64         `json:"looked,omitempty"` // of it, until the look that decided: repetitions apart
	Trials  int             `json:"trials,omitempty"`
	// Changes are what was estimated, as shares, by metric; where nothing is
	// timed, instructions of arms.
	Changes map[string]float64         `json:"changes,omitempty"`
	By      map[string]results.Verdict `json:"by,omitempty"` // verdicts of what blocks
	Noise   []string                   `json:"noise,omitempty"`
}

func (o *outcome) words() string {
	if o.Error != "" {
		return "failed: " + o.Error
	}
	return string(o.Verdict)
}

// take runs one gate. What goes wrong is in the outcome.
func (k *kind) take(ctx context.Context, program string) outcome {
	out := outcome{Kind: k.name, Started: time.Now().UTC().Truncate(time.Second), Build: revision(ctx)}
	folder, err := os.MkdirTemp("", "originpull-evidence-")
	if err != nil {
		out.Error = err.Error()
		return out
	}
	defer func() { _ = os.RemoveAll(folder) }()
	args := append(append([]string{}, k.args...), "--format", "json", "--out", filepath.Join(folder, "gate"))
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its workers
	cmd.WaitDelay = 30 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	out.Elapsed = time.Since(out.Started).Seconds()
	g, decodeErr := results.DecodeGate(bytes.NewReader(text))
	if decodeErr != nil {
		out.Error = fmt.Sprintf("%v: %s", errors.Join(err, decodeErr), lastLine(stderr.Bytes()))
		return out
	}
	out.from(g)
	return out
}

// from takes over what a gate said. Every trial takes as long, so that those
// of the looks are their share of the time.
func (o *outcome) from(g *results.GateReport) {
	o.Verdict, o.Elapsed, o.Trials, o.Noise = g.Verdict, g.Elapsed, g.Trials, g.Noise
	o.Changes, o.By = map[string]float64{}, map[string]results.Verdict{}
	looked := 0
	for _, j := range g.Judgements {
		looked = max(looked, j.Estimate.N)
		o.Changes[j.Rule.Metric] = j.Estimate.Ratio - 1
		if j.Rule.Severity == results.Blocks {
			o.By[j.Rule.Metric] = j.Verdict
		}
	}
	if g.Trials > 0 {
		o.Looked = g.Elapsed * float64(looked) / float64(g.Trials)
	}
	for _, j := range g.Instructions {
		o.Changes[j.What], o.By[j.What] = j.Ratio-1, j.Verdict
		o.Looked += j.Seconds
	}
}

func lastLine(text []byte) string {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[len(lines)-1])
}

func revision(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(out))
}

func count(outcomes []outcome, name string) int {
	n := 0
	for _, o := range outcomes {
		if o.Kind == name {
			n++
		}
	}
	return n
}

// readOutcomes reads what earlier runs kept; no file is none. A line that was
// cut off by a crash is an error with its number.
func readOutcomes(name string) ([]outcome, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading outcomes: %w", err)
	}
	defer func() { _ = file.Close() }()
	var outcomes []outcome
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		var o outcome
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, fmt.Errorf("reading outcomes: %s:%d: %w: remove the line", name, n, err)
		}
		outcomes = append(outcomes, o)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading outcomes: %w", err)
	}
	return outcomes, nil
}

// appendOutcome writes one line in one write.
func appendOutcome(name string, o outcome) error {
	line, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("keeping an outcome: %w", err)
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keeping an outcome: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keeping an outcome: %w", err)
	}
	return nil
}
