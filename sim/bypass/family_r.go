package bypass

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/originpull/originpull/origin"
)

func init() {
	register(Attempt{
		ID:         "R01",
		Title:      "randomised attempts: flawed certificates, mangled names and headers",
		Family:     Randomised,
		Capability: OtherCertificate,
		Class:      Intrusive,
		Reference:  "shapes of families A to D, drawn and combined at random",
		Steps: []string{
			"draw up to six mutations from the scenario's seed: flaws of a certificate, SNI, Host, headers, request line",
			"make the attempt; if it gets through, leave out mutations one by one while it still does",
			"the same again, 350 times for each row unless a run says otherwise; then once without any mutation",
		},
		Holds:       origin.Authority,
		BuiltinOnly: "its mutations are drawn against what the built-in origin promises",
		Run:         randomised,
	})
}

// randomAttempts is how many attempts a row of R01 makes unless
// Runner.Attempts says otherwise: 2,100 over three strategies and two
// versions of TLS.
const randomAttempts = 350

// mutation is one thing that an attempt does differently. Drawn mutations are
// such that no subset of them holds what a correct policy asks for: leaving
// one out never makes an attempt that must be let in.
type mutation struct {
	name  string
	apply func(*Try)
	flaw  *flaw // of the certificate that is shown; nil: none
}

// randomised makes the attempts of one row. A refusal is not looked up in the
// audit log each time: the last attempt, without mutations, is.
func randomised(ctx context.Context, l *Lab) (Outcome, error) {
	draw := newDraw(l.seed, strings.Join(l.pristine.Strategies, "+")+l.Profile.Version)
	var o Outcome
	made := 0
	for made < l.attempts && len(o.Steps) == 0 {
		drawn := l.drawMutations(draw)
		step, err := l.mutated(ctx, drawn)
		if err != nil {
			return Outcome{}, fmt.Errorf("randomised attempt %d of seed %d (%s): %w", made+1, l.seed, describeMutations(drawn), err)
		}
		made++
		if !step.Protected() {
			continue
		}
		smallest, err := shrink(drawn, func(fewer []mutation) (bool, error) {
			again, err := l.mutated(ctx, fewer)
			return again.Protected(), err
		})
		if err != nil {
			return Outcome{}, fmt.Errorf("shrinking randomised attempt %d of seed %d: %w", made, l.seed, err)
		}
		step.Name = fmt.Sprintf("attempt %d of seed %d, drawn as %s, shrunk to %s", made, l.seed, describeMutations(drawn), describeMutations(smallest))
		o.Steps = append(o.Steps, step)
	}
	if len(o.Steps) > 0 {
		o.Attempts = made
		return o, nil
	}
	last, err := l.Try(ctx, Try{Name: fmt.Sprintf("0 bypassed in %d randomised attempts of seed %d, and one without mutations", made, l.seed)})
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Steps: []Step{last}, Attempts: made + 1}, nil
}

// mutated makes one attempt. Without a flaw it shows no certificate.
func (l *Lab) mutated(ctx context.Context, mutations []mutation) (Step, error) {
	t := Try{Name: describeMutations(mutations)}
	var flaws []flaw
	for _, m := range mutations {
		if m.apply != nil {
			m.apply(&t)
		}
		if m.flaw != nil {
			flaws = append(flaws, *m.flaw)
		}
	}
	if len(flaws) > 0 {
		pair, err := l.Material.flawed(flaws)
		if err != nil {
			return Step{}, err
		}
		t.shown = &pair
	}
	return l.Try(ctx, t)
}

// shrink leaves out mutations one by one as long as what is left still gets
// through: nothing can be left out of what it returns.
func shrink(mutations []mutation, through func([]mutation) (bool, error)) ([]mutation, error) {
	for i := 0; i < len(mutations); {
		fewer := make([]mutation, 0, len(mutations)-1)
		fewer = append(append(fewer, mutations[:i]...), mutations[i+1:]...)
		still, err := through(fewer)
		if err != nil {
			return nil, err
		}
		if still {
			mutations, i = fewer, 0
			continue
		}
		i++
	}
	return mutations, nil
}

func describeMutations(mutations []mutation) string {
	if len(mutations) == 0 {
		return "no mutation"
	}
	names := make([]string, 0, len(mutations))
	for _, m := range mutations {
		names = append(names, m.name)
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// newDraw gives every row a sequence of its own under one seed.
func newDraw(seed uint64, row string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, row) // a hash's Write returns no error
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
