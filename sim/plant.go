package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/originpull/originpull/results"
)

// planter burns CPU in a worker on purpose: a share of what the worker itself
// used, by its own CPU clock. It is how the harness is shown a change of known
// size, to see whether it finds it.
type planter struct {
	share float64       // 0.15 burns 15 % on top; 0 does nothing
	mark  time.Duration // the CPU clock when the last plant ended
}

// begin forgets the CPU used so far.
func (p *planter) begin() (err error) {
	if p.share > 0 {
		p.mark, err = processCPU(os.Getpid())
	}
	return err
}

func (p *planter) handle(c *Plant) (Answer, error) {
	if c == nil {
		return Answer{}, errors.New("a plant message without its content")
	}
	if p.share == 0 {
		return Answer{Type: msgPlanted}, nil
	}
	used, err := processCPU(os.Getpid())
	if err != nil {
		return Answer{}, err
	}
	until := used + p.planted(used-p.mark, c.Spare)
	for used < until {
		if used, err = processCPU(os.Getpid()); err != nil {
			return Answer{}, err
		}
	}
	p.mark = used
	return Answer{Type: msgPlanted}, nil
}

// planted is what is burnt for the CPU used, of which spare is not multiplied.
func (p *planter) planted(used, spare time.Duration) time.Duration {
	return time.Duration(p.share * float64(max(0, used-spare)))
}

// plant has both ends burn their arm's plant, inside the window of the block
// that they just did: whatever a worker does until its next block is that
// block's cost. Both ends are asked, because the origin is not told of blocks.
//
// The share is of the figure that is reported. A handshake's is net of plain
// TCP, so that the baseline's cost of as many exchanges is spared.
//
// Note: where one arm has a plant all are asked, the others to burn nothing: to
// be asked costs some CPU too, and must be no difference between arms.
func (p *pair) plant(ctx context.Context, count int64) {
	if p.trial.err != nil || !p.plants {
		return
	}
	spare := p.plainTCP(count)
	for i := range spare {
		worker := p.edge
		if i == 1 {
			end, builtin := p.origin.(builtinEnd)
			if !builtin {
				return // Compile has refused a plant there
			}
			worker = end.process
		}
		if _, err := grant(ctx, worker, Command{Type: msgPlant, Plant: &Plant{Spare: spare[i]}}, 0); err != nil {
			p.fail(ctx, err)
			return
		}
	}
}

// plainTCP is what count exchanges cost the two ends of the baseline in this
// trial so far; zero where there is none.
func (p *pair) plainTCP(count int64) (spare [2]time.Duration) {
	if p.base == nil || p.arm.Plaintext {
		return spare
	}
	p.base.readClocks() // charges the last block so far, and its window goes on
	edge, origin := perUnit(p.base.costs)
	for i, costs := range [][]float64{edge, origin} {
		if len(costs) > 0 {
			spare[i] = time.Duration(median(costs) * float64(count) * float64(time.Microsecond))
		}
	}
	return spare
}

// planted reports whether the arm burns CPU on purpose.
func (a *Arm) planted() bool {
	return a.Settings.Edge.Plant.CPU > 0 || a.Settings.Origin.Plant.CPU > 0
}

// plantLabel says what is planted, or returns "".
func plantLabel(a *Arm) string {
	edge, origin := plantWords(a.Settings.Edge.Plant.CPU), plantWords(a.Settings.Origin.Plant.CPU)
	switch {
	case !a.planted():
		return ""
	case edge == origin:
		return edge
	case origin == "":
		return edge + " at the edge"
	case edge == "":
		return origin + " at the origin"
	}
	return fmt.Sprintf("%s at the edge, %s at the origin", edge, origin)
}

func plantWords(share float64) string {
	if share == 0 {
		return ""
	}
	return "+" + strconv.FormatFloat(100*share, 'g', 4, 64) + " %"
}

// labelPlant names the plant in the arm's labels, where reports look.
func (a *Arm) labelPlant(labels map[string]string) {
	if text := plantLabel(a); text != "" {
		labels[results.LabelPlanted] = text
	}
}
