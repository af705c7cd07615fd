package bypass

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// Row is one measured row.
type Row struct {
	Case      string     `json:"case"`
	Title     string     `json:"title"`
	Server    string     `json:"server"` // of Servers
	Strategy  string     `json:"strategy"`
	Mistake   string     `json:"mistake"` // "" = the correct policy
	TLS       string     `json:"tls"`
	Protocol  string     `json:"protocol"`
	Predicted Verdict    `json:"predicted"`
	Measured  Verdict    `json:"measured"`
	Stage     wire.Stage `json:"stage"`  // the furthest the deciding step came
	Reason    string     `json:"reason"` // the origin's own, of a refusal
	Proof     string     `json:"proof"`  // the missing proof the origin named
	Status    int        `json:"status"` // HTTP status of the deciding step, 0 = none
	LegBefore bool       `json:"legBefore"`
	LegAfter  bool       `json:"legAfter"`
	Skipped   string     `json:"skipped"` // why it cannot run; such a row counts neither for nor against
	OK        bool       `json:"ok"`
	Detail    string     `json:"detail"`             // the deciding step, and what is wrong with a row that is not ok
	Price     *Price     `json:"price,omitempty"`    // of an attempt of family F
	Attempts  int        `json:"attempts,omitempty"` // of family R: how many were made; 0 = one
	Evidence  *Evidence  `json:"evidence,omitempty"` // of what the correct policy let through against the prediction
}

// Runner makes a plan's attempts.
type Runner struct {
	Start    Starter               // required
	Material *Material             // nil: made afresh
	Progress func(done, total int) // called after every row; nil: not
	Patience time.Duration         // with one step, one pull, one look into the audit log; 0 = 5 s
	Floods   Floods                // bounds family F
	Seed     uint64                // of family R
	Attempts int                   // of a row of family R; 0 = 350
}

// Run is Runner.Run with material of its own.
func Run(ctx context.Context, plan Plan, start Starter, progress func(done, total int)) ([]Row, error) {
	return Runner{Start: start, Progress: progress}.Run(ctx, plan)
}

// Run makes every row of the plan and returns the rows in the order of Rows.
// One origin is started for each distinct policy. A row that could not be
// measured is not-run and not ok, and says why; the others go on. When ctx
// ends, the rows measured so far are returned with its error.
func (r Runner) Run(ctx context.Context, plan Plan) ([]Row, error) {
	planned, err := Rows(plan)
	if err != nil {
		return nil, err
	}
	if r.Material == nil {
		if r.Material, err = NewMaterial(time.Now()); err != nil {
			return nil, err
		}
	}
	if r.Patience == 0 {
		r.Patience = 5 * time.Second
	}
	s := &series{runner: r, planned: planned, rows: make([]*Row, len(planned))}
	err = s.run(ctx)
	rows := make([]Row, 0, len(planned))
	for _, row := range s.rows {
		if row != nil {
			rows = append(rows, *row)
		}
	}
	return rows, err
}

// series is one run of planned rows.
type series struct {
	runner  Runner
	planned []Planned
	rows    []*Row // parallel to planned; nil: not measured yet
	done    int
}

// run measures the rows policy by policy, in the order in which the policies
// first appear.
func (s *series) run(ctx context.Context) error {
	var failed []error
	for i := range s.planned {
		if s.rows[i] != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(append(failed, fmt.Errorf("stopped after %d of %d rows: %w", s.done, len(s.planned), ctx.Err()))...)
		}
		if s.planned[i].Skipped != "" {
			s.finish(i, skippedRow(s.planned[i]))
			continue
		}
		if registry[s.planned[i].Case].Rogue != nil {
			s.finish(i, s.measureEdge(ctx, s.planned[i]))
			continue
		}
		if err := s.group(ctx, s.sharing(i)); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// sharing returns the rows, from first on, that meet the same policy.
func (s *series) sharing(first int) []int {
	var same []int
	for i := first; i < len(s.planned); i++ {
		a, b := s.planned[first], s.planned[i]
		if a.Server == b.Server && a.Strategy == b.Strategy && a.Mistake == b.Mistake && b.Skipped == "" {
			same = append(same, i)
		}
	}
	return same
}

func (s *series) finish(i int, row Row) {
	s.rows[i] = &row
	s.done++
	if s.runner.Progress != nil {
		s.runner.Progress(s.done, len(s.planned))
	}
}

// group starts one origin and measures the rows that share its policy. The
// error is only that the origin did not stop cleanly: one that does not
// start is the reason of its rows.
func (s *series) group(ctx context.Context, rows []int) (err error) {
	first := s.planned[rows[0]]
	v, err := variantNamed(first.Strategy)
	if err != nil {
		return err
	}
	p, err := v.policy(first.Mistake)
	if err != nil {
		return err
	}
	if v.pin == origin.PinLeaf {
		p.PinValue = s.runner.Material.edgeLeaf
	}
	if driver, real := origin.DriverNamed(first.Server); real && !driver.PublicHosts() {
		p.PublicHosts = nil
	}
	starting, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	o, stop, err := s.runner.Start(starting, p, s.runner.Material.Origin, Environment{PublicRoots: s.runner.Material.PublicRoots, Server: first.Server})
	if err != nil {
		if ctx.Err() == nil {
			for _, i := range rows {
				s.finish(i, notRun(s.planned[i], fmt.Errorf("starting the origin: %w", err)))
			}
		}
		return nil
	}
	defer func() {
		if serr := stop(); serr != nil {
			err = fmt.Errorf("stopping the origin of %s: %w", describe(first), serr)
		}
	}()
	for n, i := range rows {
		row, dirty := s.measure(ctx, s.lab(o, p, i, n))
		if ctx.Err() != nil {
			return nil
		}
		s.finish(i, row)
		if dirty != nil {
			for _, left := range rows[n+1:] {
				s.finish(left, notRun(s.planned[left], dirty))
			}
			return nil
		}
	}
	return nil
}

// startPatience is how long an origin may take to come up.
const startPatience = 30 * time.Second

// describe names a policy for people.
func describe(p Planned) string {
	name := strings.TrimSpace(p.Server + " " + p.Strategy)
	if p.Mistake == "" {
		return name
	}
	return name + " with " + p.Mistake
}

// bench is what one row needs.
type bench struct {
	lab     *Lab
	planned Planned
	attempt Attempt
}

// lab prepares row i, the n-th of its origin. The attacker comes from an
// address of its own, because a port that the kernel gives out again would
// find the audit entries of an older row.
func (s *series) lab(o Origin, p origin.Policy, i, n int) bench {
	planned := s.planned[i]
	return bench{
		planned: planned,
		attempt: registry[planned.Case],
		lab: &Lab{
			Profile:  wire.Profile{Version: planned.TLS, Group: Group},
			Target:   o.Address(),
			Attacker: attackerAddress(n),
			Material: s.runner.Material,
			overQUIC: planned.Protocol == overH3, overH2: planned.Protocol == overH2,
			server: planned.Server,
			shared: strings.Contains(planned.Strategy, "shared"),
			origin: o, pristine: p, secret: currentSecret, patience: s.runner.Patience,
			floods: s.runner.Floods.complete(), seed: s.runner.Seed, attempts: cmp.Or(s.runner.Attempts, randomAttempts),
		},
	}
}

// attackerAddress returns the n-th address of 127.0.9.0/24, in a circle that
// leaves out its first and last.
func attackerAddress(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 0, 9, byte(1 + n%254)})
}
