package report

import (
	"fmt"
	"strings"

	"github.com/originpull/originpull/results"
)

// howRow is how a row of the bypass matrix came out, in one word.
type howRow string

const (
	rowExpected   howRow = "expected"
	rowUnexpected howRow = "unexpected"
	rowSkipped    howRow = "skipped"
)

func rowOutcome(b *results.BypassRow) howRow {
	switch {
	case !b.Ran():
		return rowSkipped
	case b.OK:
		return rowExpected
	}
	return rowUnexpected
}

// rowName names a row apart from every other one of its experiment.
func rowName(b *results.BypassRow) string {
	parts := []string{b.Case, b.Strategy, b.Server, b.Protocol}
	if b.TLS != "" {
		parts = append(parts, "TLS "+b.TLS)
	}
	if b.Mistake != "" {
		parts = append(parts, "control "+b.Mistake)
	}
	return strings.Join(parts, " ")
}

// rowText is rowFinding with what the document knows of the hole.
func rowText(r *results.Result, b *results.BypassRow) string {
	text := rowFinding(b)
	f := r.Finding(b)
	if f == nil {
		return text
	}
	lines := append([]string{text, "finding: " + f.ID, "severity: " + string(f.Severity), "fix on " + f.Server + ": " + f.Fix}, evidence(&f.Evidence)...)
	if f.Reference != "" {
		lines = append(lines, "reference: "+f.Reference)
	}
	return strings.Join(lines, "\n")
}

// boundOf says how many of the document's attempts got through, and what that
// leaves open; "" where none was made.
func boundOf(r *results.Result) string {
	through, attempts := results.Bypassed(pointers(r.Bypass))
	if attempts == 0 {
		return ""
	}
	return bypassedOf(through, attempts)
}

// rowFinding says in a sentence why a row is not as predicted.
func rowFinding(b *results.BypassRow) string {
	text := fmt.Sprintf("%s: predicted %s, measured %s", b.Title, b.Predicted, b.Measured)
	if b.Stage != "" {
		text += " at " + b.Stage
	}
	if b.Mistake != "" {
		text += "; this is the control with " + b.Mistake + ", which must let the attempt through or the row proves nothing"
	}
	if !b.Legs.Before || !b.Legs.After {
		text += fmt.Sprintf("; the legitimate edge succeeded before: %t, after: %t", b.Legs.Before, b.Legs.After)
	}
	for _, more := range []string{b.Reason, b.Detail} {
		if more != "" {
			text += "; " + more
		}
	}
	return text
}
