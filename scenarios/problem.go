package scenarios

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a scenario.
type Problem struct {
	File    string // as named in the Source, or "--set path=value"
	Line    int    // 1-based; 0 when there is no line to show
	Field   string // dotted path, for example experiments[0].workload.arrivals.rate; "" for the whole file
	Message string // what is wrong and what to do
}

// Error returns "file:line: field: message", without the parts that are empty.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is everything that is wrong with a scenario, in the order of the
// lines; those of --set come last.
type Problems []Problem

// Error returns one problem per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each Problem, for errors.As.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, problem := range p {
		errs[i] = problem
	}
	return errs
}

// With returns p and more in order, leaving out those of more whose field p
// already complains about: one mistake is reported once.
func (p Problems) With(more ...Problem) Problems {
	all := slices.Clone(p)
	for _, problem := range more {
		known := func(q Problem) bool { return problem.Field != "" && q.Field == problem.Field }
		if !slices.ContainsFunc(p, known) {
			all = append(all, problem)
		}
	}
	all.sort()
	return slices.Compact(all)
}

func (p Problems) sort() {
	rank := func(problem Problem) int {
		if problem.Line == 0 && strings.HasPrefix(problem.File, setPrefix) {
			return math.MaxInt
		}
		return problem.Line
	}
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(rank(a), rank(b)) })
}

// err returns p as an error, and nil when there is none: a nil Problems inside
// an error interface would not be nil.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	p.sort()
	return p
}
