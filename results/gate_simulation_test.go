package results

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// noise is a machine on which gates are simulated: what its blocks and
// processes do to a cost that is always the same.
type noise struct {
	name    string
	drift   float64 // stationary standard deviation of the slow drift
	steps   float64 // chance of a lasting step at a block, as wide as the drift
	bursts  float64 // chance that a neighbour slows the next blocks by a third
	spikes  float64 // chance of one slow block
	process float64 // standard deviation between processes of one binary
	wild    float64 // chance of a trial that is off by up to a fifth, as beside compilers
}

// The three machines: a hosted CI runner, the shared machine on which drift
// and correlation were measured, and one on which processes differ as much as
// an unlucky memory layout makes them.
var machines = []noise{
	{name: "hosted-ci", drift: 0.04, steps: 0.002, bursts: 0.005, spikes: 0.02, process: 0.007},
	{name: "shared-box", drift: 0.09, steps: 0.005, bursts: 0.02, spikes: 0.03, process: 0.010, wild: 0.05},
	{name: "layout-bad", drift: 0.04, steps: 0.002, bursts: 0.005, spikes: 0.02, process: 0.020},
}

// The metrics of a gate and the noise of one block of each; tails are read
// from fewer samples.
var simulated = []struct {
	metric string
	block  float64
}{
	{MetricHandshakeOrigin, 0.04},
	{MetricHandshakeEdge, 0.04},
	{MetricRequestOrigin, 0.04},
	{MetricRequestEdge, 0.04},
	{"latency.p50", 0.08},
	{"firstbyte.p50", 0.08},
	{"latency.p90", 0.2},
	{"latency.p99", 0.5},
}

// autocorrelation of neighbouring blocks, as measured over 20 ms ones.
const autocorrelation = 0.64

// simulatedRounds of one trial: pairs of blocks, one of each arm. A trial of
// 1.5 s with two arms and their baseline has 33 of 15 ms.
const simulatedRounds = 24

// trial returns one estimate for each metric; the first one is slower by the
// given share.
func (n noise) trial(r *rand.Rand, slower float64) []float64 {
	blocks := make([]float64, 2*simulatedRounds)
	level, drift, burst := 0.0, n.drift*r.NormFloat64(), 0
	for i := range blocks {
		drift = autocorrelation*drift + math.Sqrt(1-autocorrelation*autocorrelation)*n.drift*r.NormFloat64()
		if r.Float64() < n.steps {
			level += n.drift * r.NormFloat64()
		}
		if burst--; burst <= 0 && r.Float64() < n.bursts {
			burst = 1 + r.IntN(6)
		}
		blocks[i] = level + drift
		if burst > 0 {
			blocks[i] += 0.3
		}
		if r.Float64() < n.spikes {
			blocks[i] += r.ExpFloat64() * 0.5
		}
	}
	out := make([]float64, len(simulated))
	pairs := make([]float64, simulatedRounds)
	for m, s := range simulated {
		for i := range pairs {
			pairs[i] = s.block * math.Sqrt2 * r.NormFloat64()
			if head, base := blocks[2*i], blocks[2*i+1]; i%2 == 0 {
				pairs[i] += head - base
			} else {
				pairs[i] += base - head
			}
		}
		slices.Sort(pairs)
		out[m] = (pairs[simulatedRounds/2-1]+pairs[simulatedRounds/2])/2 + n.process*math.Sqrt2*r.NormFloat64()
		if r.Float64() < n.wild {
			out[m] += 0.4*r.Float64() - 0.2
		}
	}
	out[0] += math.Log1p(slower)
	return out
}

// gate runs one gate and returns its judgements and how many trials it took.
func (n noise) gate(t *testing.T, r *rand.Rand, slower float64) (judgements []Judgement, trials int) {
	t.Helper()
	judgements, err := Gate{}.Run(func(more int) ([]GateSample, error) {
		samples := make([]GateSample, len(simulated))
		for m, s := range simulated {
			rule, _ := DefaultRule(s.metric)
			samples[m] = GateSample{Name: "arm", Rule: rule}
		}
		for range more {
			for m, v := range n.trial(r, slower) {
				samples[m].Estimates = append(samples[m].Estimates, v)
			}
		}
		trials += more
		return samples, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return judgements, trials
}

func regressed(j Judgement) bool { return j.Verdict == Regression }

// simulations is how many gates: make gate-simulation asks for more.
func simulations(t *testing.T) int {
	text := os.Getenv("GATE_SIMULATIONS")
	if text == "" {
		return 667 // 2,001 on three machines
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("GATE_SIMULATIONS is %q, want a number of gates", text)
	}
	return n
}

// Whatever the machine, gates of two arms that are the same must be green and
// gates of an arm that got 5 % slower red. Seeds are fixed: this is no chance
// of a test failing, it is what the procedure does to these draws.
func TestGateSimulation(t *testing.T) {
	n := simulations(t)
	var mu sync.Mutex
	alarms := 0
	rows := make([]string, len(machines))
	t.Run("machines", func(t *testing.T) {
		for i, machine := range machines {
			t.Run(machine.name, func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(1, uint64(i)))
				same, sameTrials, sameOpen := 0, 0, 0
				for range n {
					judgements, trials := machine.gate(t, r, 0)
					sameTrials += trials
					if slices.ContainsFunc(judgements, regressed) {
						same++
					}
					if GateVerdict(judgements) == Undecided {
						sameOpen++
					}
				}
				found, foundTrials := 0, 0
				missed := map[Verdict]int{}
				few := max(100, n/5)
				for range few {
					judgements, trials := machine.gate(t, r, 0.05)
					foundTrials += trials
					if regressed(judgements[0]) {
						found++
					} else {
						missed[judgements[0].Verdict]++
					}
				}
				t.Logf("%d A/A gates: %d false alarms, %d inconclusive, %.1f trials; %d gates at +5 %%: %d found, %v otherwise, %.1f trials",
					n, same, sameOpen, float64(sameTrials)/float64(n), few, found, missed, float64(foundTrials)/float64(few))
				small := 0
				for range few {
					if judgements, _ := machine.gate(t, r, 0.03); regressed(judgements[0]) {
						small++
					}
				}
				mu.Lock()
				alarms += same
				rows[i] = fmt.Sprintf("| %s | %d | %d | %d | %.1f | %d | %.1f %% | %.1f %% | %.1f |", machine.name, n, same, sameOpen,
					float64(sameTrials)/float64(n), few, 100*float64(small)/float64(few), 100*float64(found)/float64(few), float64(foundTrials)/float64(few))
				mu.Unlock()
				if 100*found < 95*few {
					t.Errorf("+5 %% was found in %d of %d gates, want 95 %%", found, few)
				}
				if 10*sameOpen > n {
					t.Errorf("%d of %d A/A gates are inconclusive, want at most a tenth", sameOpen, n)
				}
			})
		}
	})
	writeTable(t, "simulation", append([]string{
		"| machine | gates, nothing changed | false alarms | inconclusive | trials | gates at each size | +3 % found | +5 % found | trials at +5 % |",
		"|---|--:|--:|--:|--:|--:|--:|--:|--:|",
	}, rows...))
	if total := n * len(machines); 100*alarms > total {
		t.Errorf("%d false alarms in %d A/A gates, want at most 1 %%", alarms, total)
	}
}

// The same machines must be able to fool a gate: one that takes blocks for
// the unit, or that does not pair them, raises alarms where nothing changed.
// Otherwise the simulation would prove nothing.
func TestTheSimulationCanFoolAGate(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	machine := machines[1]
	alarms, gates := 0, 200
	for range gates {
		// One pair of processes; its blocks are taken for 30 trials.
		process := machine.process * math.Sqrt2 * r.NormFloat64()
		sample := cpuSample(nil)
		sample.Rule.Margin = 0
		for range 1500 {
			sample.Estimates = append(sample.Estimates, process+0.04*math.Sqrt2*r.NormFloat64())
		}
		if (Gate{}).Look(2, []GateSample{sample})[0].Candidate() {
			alarms++
		}
	}
	if alarms < gates/5 {
		t.Errorf("%d alarms in %d gates that take blocks for trials: the machine is too quiet to prove anything", alarms, gates)
	}
}

func TestGateRunStops(t *testing.T) {
	rule, _ := DefaultRule(MetricHandshakeOrigin)
	late, _ := DefaultRule("latency.p50")
	sample := func(n int, mean, deviation float64) []GateSample {
		return []GateSample{{Name: "a", Rule: rule, Estimates: around(n, mean, deviation)}, {Name: "a", Rule: late, Estimates: around(n, 0, 0.5)}}
	}
	for name, test := range map[string]struct {
		means []float64 // of the first metric, by call; then 0
		noise float64
		want  string
	}{
		"the same":              {[]float64{0}, 0.01, "[10] PASS"},
		"slower, and again":     {[]float64{0.05, 0.05}, 0.01, "[10 10] REGRESSION"},
		"slower, and not again": {[]float64{0.05, 0}, 0.01, "[10 10] INCONCLUSIVE"},
		"too noisy":             {nil, 0.3, "[10 10 10] INCONCLUSIVE"},
		"noisy and slower":      {[]float64{0.2, 0.2, 0.2, 0.2}, 0.16, "[10 10 20] REGRESSION"},
	} {
		var calls []int
		judged, err := Gate{}.Run(func(trials int) ([]GateSample, error) {
			mean := 0.0
			if len(calls) < len(test.means) {
				mean = test.means[len(calls)]
			}
			calls = append(calls, trials)
			return sample(trials, mean, test.noise), nil
		}, nil)
		if got := fmt.Sprint(calls, " ", judged[0].Verdict); err != nil || got != test.want {
			t.Errorf("%s: %s (%v), want %s", name, got, err, test.want)
		}
		if judged[1].Verdict != Undecided {
			t.Errorf("%s: the noisy metric is %q", name, judged[1].Verdict)
		}
	}
}
