package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/sim"
)

// page is docs/gate.md.
func (o *options) page(outcomes []outcome) (string, error) {
	var b strings.Builder
	environment := sim.Environment()
	fmt.Fprintf(&b, `# The gate: what it finds, and how often it is wrong

Written by `+"`make gate-evidence`"+`. The machine: %s, %s cores, %s, kernel %s, %s.
%s
A gate is right when it is green where nothing changed, and red where 5 %% of CPU
were planted. INCONCLUSIVE is neither: it says that the machine was too noisy.

`, environment[results.EnvCPU], environment[results.EnvCores], environment[results.EnvOS]+"/"+environment[results.EnvArch], environment[results.EnvKernel], environment[results.EnvGo], sentence(o.note))
	b.WriteString("## Live\n\n")
	o.live(&b, outcomes)
	for _, part := range []struct{ heading, words, pattern string }{
		{"Simulated", "Gates of eight timing metrics over three machines of noise (`make gate-simulation`). Found: repeated on fresh trials, and called a REGRESSION.", "simulation.md"},
		{"Replayed", "Designs of a gate on one and the same recorded noise (`make gate-record`): what every block of two sides that were the same build cost. A change is multiplied onto one side's origin afterwards. The others get as many seconds of the recording or more; a gate of theirs is of both ends, as ours. Let through: green although 10 % slower.", "replay-*.md"},
	} {
		if err := o.table(&b, part.heading, part.words, part.pattern); err != nil {
			return "", err
		}
	}
	o.each(&b, outcomes)
	return b.String(), nil
}

func sentence(note string) string {
	if note == "" {
		return ""
	}
	return strings.TrimSuffix(note, ".") + ".\n"
}

// table takes over what a test has left.
func (o *options) table(b *strings.Builder, heading, words, pattern string) error {
	if o.tables == "" {
		return nil
	}
	names, err := filepath.Glob(filepath.Join(o.tables, pattern))
	if err != nil || len(names) == 0 {
		return fmt.Errorf("no table %s in %s: %w", pattern, o.tables, os.ErrNotExist)
	}
	fmt.Fprintf(b, "## %s\n\n%s\n\n", heading, words)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("reading a table: %w", err)
		}
		if len(names) > 1 {
			fmt.Fprintf(b, "Recording `%s`:\n\n", strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "replay-"), ".md"))
		}
		b.Write(text)
		b.WriteString("\n")
	}
	return nil
}

// live sums up what was run.
func (o *options) live(b *strings.Builder, outcomes []outcome) {
	b.WriteString("| gates | run | of | right | PASS or IMPROVEMENT | REGRESSION | INCONCLUSIVE | failed | seconds until decided, repetitions apart | with repetitions |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for i := range kinds {
		k := &kinds[i]
		of := kindOf(outcomes, k.name)
		verdicts := map[results.Verdict]int{}
		failed := 0
		var looked, elapsed []float64
		for _, x := range of {
			if x.Error != "" {
				failed++
				continue
			}
			verdicts[x.Verdict]++
			elapsed = append(elapsed, x.Elapsed)
			if x.Looked > 0 {
				looked = append(looked, x.Looked)
			}
		}
		green := verdicts[results.GatePassed] + verdicts[results.Improvement]
		right := green
		if k.expected == results.Regression {
			right = verdicts[results.Regression]
		}
		fmt.Fprintf(b, "| %s | %d | %d | %s | %d | %d | %d | %d | %s | %s |\n", k.words, len(of), o.want[k.name], shareWords(right, len(of)),
			green, verdicts[results.Regression], verdicts[results.Undecided], failed, rangeWords(looked), rangeWords(elapsed))
	}
	b.WriteString("\n")
}

func kindOf(outcomes []outcome, name string) []outcome {
	return slices.DeleteFunc(slices.Clone(outcomes), func(x outcome) bool { return x.Kind != name })
}

func shareWords(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%d (%.0f %%)", n, 100*float64(n)/float64(of))
}

// rangeWords is median and extremes.
func rangeWords(values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	sorted := slices.Sorted(slices.Values(values))
	return fmt.Sprintf("%.0f (%.0f–%.0f)", sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
}

// each lists every gate.
func (o *options) each(b *strings.Builder, outcomes []outcome) {
	b.WriteString("## Every gate\n\n| started (UTC) | build | gate | verdict | seconds | trials | estimates that block | noise |\n|---|---|---|---|--:|--:|---|---|\n")
	for i := range outcomes {
		x := &outcomes[i]
		var estimates []string
		for _, metric := range slices.Sorted(maps.Keys(x.By)) {
			estimates = append(estimates, fmt.Sprintf("%s %+.*f %% %s", metric, decimals(x.Kind), 100*x.Changes[metric], x.By[metric]))
		}
		verdict := x.words()
		fmt.Fprintf(b, "| %s | %s | %s | %s | %.0f | %d | %s | %s |\n", x.Started.Format("2006-01-02 15:04"), x.Build, x.Kind, verdict,
			x.Elapsed, x.Trials, strings.Join(estimates, "; "), strings.Join(x.Noise, "; "))
	}
}

func decimals(kind string) int {
	if strings.HasPrefix(kind, "instructions") {
		return 2
	}
	return 1
}
