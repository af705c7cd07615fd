package sim

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

func TestPlantedIsAShareOfWhatIsNotSpared(t *testing.T) {
	for _, c := range []struct {
		share             float64
		used, spare, want time.Duration
	}{
		{0.15, 10 * time.Millisecond, 0, 1500 * time.Microsecond},
		{0.15, 10 * time.Millisecond, 2 * time.Millisecond, 1200 * time.Microsecond},
		{0.5, time.Millisecond, 2 * time.Millisecond, 0}, // never less than nothing
		{0, time.Second, 0, 0},
	} {
		if got := (&planter{share: c.share}).planted(c.used, c.spare); got != c.want {
			t.Errorf("%v of %v less %v: %v, want %v", c.share, c.used, c.spare, got, c.want)
		}
	}
}

// A planter burns at least what it should, and counts from where it ended.
func TestPlanterBurnsOnItsOwnClock(t *testing.T) {
	if err := processCPUAvailable(); err != nil {
		t.Skip(err)
	}
	p := planter{share: 1}
	if err := p.begin(); err != nil {
		t.Fatal(err)
	}
	began := p.mark
	burnCPU(t, 2*time.Millisecond)
	for range 2 {
		before, err := processCPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if a, err := p.handle(&Plant{}); err != nil || a.Type != msgPlanted {
			t.Fatalf("answered %+v, %v", a, err)
		}
		if burnt, least := p.mark-before, before-began; burnt < least {
			t.Errorf("burnt %v of %v used, want all of it again", burnt, least)
		}
		began = p.mark
		burnCPU(t, time.Millisecond)
	}
	if _, err := p.handle(nil); err == nil {
		t.Error("a plant without its content was taken")
	}
}

func burnCPU(t *testing.T, cpu time.Duration) {
	t.Helper()
	from, err := processCPU(os.Getpid())
	for now := from; now < from+cpu && err == nil; {
		now, err = processCPU(os.Getpid())
	}
	if err != nil {
		t.Fatal(err)
	}
}

const plantScenario = `
version: 1
name: small
experiments:
  - name: h
    workload: {mode: handshakes, trials: 2, pairs: 5, block: 5ms}
    compare:
      - axis: plant
        values:
          - {name: none, set: {edge.plant.cpu: 0}}
          - {name: edge, set: {edge.plant.cpu: 0.15}}
          - {name: both, set: {edge.plant.cpu: 0.15, origin.plant.cpu: 0.15}}
`

// A plant changes nothing that is counted; the arms that have it say so, the
// baseline has none, and five pairs are five blocks of each arm.
func TestPlantedExperiment(t *testing.T) {
	if err := processCPUAvailable(); err != nil {
		t.Skip(err)
	}
	result := mustRun(t, compileText(t, plantScenario))
	for arm, want := range map[string]string{
		"h/plant=none": "", "h/plant=edge": "+15 % at the edge", "h/plant=both": "+15 %", "h/plain-tcp": "", "h/aa": "+15 %",
	} {
		a := result.Arm(arm)
		if got := a.Labels[results.LabelPlanted]; got != want {
			t.Errorf("%s is labelled %q, want %q", arm, got, want)
		}
		if arm == "h/plain-tcp" {
			continue
		}
		if v := a.Metrics["handshake.rtts"]; v.Low != 1 || v.High != 1 {
			t.Errorf("%s: %+v round trips, want exactly 1", arm, v)
		}
		if full := a.Metrics["handshake.full"].Value; full == 0 || full != a.Metrics["connect.count"].Value {
			t.Errorf("%s: %v handshakes, %v connections", arm, full, a.Metrics["connect.count"].Value)
		}
	}
	if x := result.Experiments[0]; x.Blocks != 25 || x.Rounds != 3 {
		t.Errorf("%d blocks in at most %d rounds, want 25 and 3", x.Blocks, x.Rounds)
	}
	if !result.Validity.Reconciled {
		t.Error("not reconciled")
	}
}

// What the ends burn is in the windows of their blocks, and net of plain TCP
// it is the share that was planted. The costs are made up; the division is not.
func TestPlantSparesPlainTCP(t *testing.T) {
	base := &pair{arm: &Arm{Role: Baseline, Plaintext: true}, costs: blocks(40, 50, 60)}
	p := &pair{arm: &Arm{}, base: base}
	if got := p.plainTCP(7); got != [2]time.Duration{350 * time.Microsecond, 700 * time.Microsecond} {
		t.Errorf("seven exchanges spare %v, want 7 × 50 us and 7 × 100 us", got)
	}
	if got := base.plainTCP(7); got != [2]time.Duration{} {
		t.Errorf("the baseline spares %v", got)
	}
	if got := (&pair{arm: &Arm{}}).plainTCP(7); got != [2]time.Duration{} {
		t.Errorf("without a baseline %v is spared", got)
	}
}

func TestBasePair(t *testing.T) {
	pairs := []*pair{{arm: &Arm{Role: Ordinary}}, {arm: &Arm{Role: Baseline}}}
	if basePair(Handshakes, pairs) != pairs[1] {
		t.Error("a handshake is not net of the baseline")
	}
	if basePair(Requests, pairs) != nil {
		t.Error("a request is net of the baseline")
	}
	pairs[1].trial.err = errNoAnswer
	if basePair(Handshakes, pairs) != nil {
		t.Error("a baseline that failed is subtracted")
	}
}

func TestRoundsShareOutPairs(t *testing.T) {
	x := &Experiment{Pairs: 40, Trials: 14}
	sum := 0
	for index := 1; index <= x.Trials; index++ {
		rounds := x.rounds(index)
		if rounds != 2 && rounds != 3 {
			t.Errorf("trial %d has %d rounds, want 2 or 3", index, rounds)
		}
		sum += rounds
	}
	if sum != 40 {
		t.Errorf("%d rounds in all, want 40", sum)
	}
	if got := (&Experiment{Trials: 8}).rounds(1); got != 0 {
		t.Errorf("without pairs %d rounds, want 0: as many as there is time for", got)
	}
}

func TestBaselineStandsFirst(t *testing.T) {
	pairs := []*pair{{arm: &Arm{Role: Ordinary}}, {arm: &Arm{Role: Double}}, {arm: &Arm{Role: Baseline}}}
	order := []int{1, 0, 2}
	if baselineFirst(order, pairs); !slices.Equal(order, []int{2, 0, 1}) {
		t.Errorf("got %v", order)
	}
	order = []int{1, 0}
	if baselineFirst(order, pairs); !slices.Equal(order, []int{1, 0}) {
		t.Errorf("without a baseline: %v", order)
	}
}

func TestPlantIsRefusedOnRealServers(t *testing.T) {
	_, err := scenarios.Load(scenarios.Source{File: "x.yaml", Content: []byte("version: 1\norigin: {server: nginx, plant: {cpu: 0.15}}\nworkload: {mode: handshakes}\n")})
	if err == nil || !strings.Contains(err.Error(), "x.yaml:2: origin.plant.cpu: nginx cannot be made to burn CPU") {
		t.Errorf("got %v", err)
	}
	if _, err := scenarios.Load(scenarios.Source{File: "x.yaml", Content: []byte("version: 1\norigin: {server: nginx}\nedge: {plant: {cpu: 0.15}}\nworkload: {mode: handshakes}\n")}); err != nil {
		t.Errorf("at the edge: %v", err)
	}
}

func TestCrowded(t *testing.T) {
	for cpu, want := range map[time.Duration]bool{79 * time.Millisecond: true, 80 * time.Millisecond: false, 150 * time.Millisecond: false} {
		b := blockCost{count: 1, edge: cpu / 2, origin: cpu - cpu/2, took: 100 * time.Millisecond}
		if b.crowded() != want {
			t.Errorf("%v of 100 ms: crowded is %v", cpu, !want)
		}
	}
}
