package sim

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/sim/bypass"
)

// addFindings adds the holes that the rows of an experiment show, one for each
// case, strategy, server and mistake, the gravest first, and the controls that
// let attempts through.
func addFindings(r *results.Result, experiment string, rows []bypass.Row) {
	for i := range rows {
		row := bypassRow(experiment, &rows[i])
		switch {
		case row.Open():
			addFinding(r, finding(rows, &rows[i], &row))
		case row.Mistake != "" && row.OK && row.Ran() && row.Measured != results.VerdictBlocked && row.Measured != results.VerdictNotRun:
			addControl(r, &row)
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b results.Finding) int {
		return cmp.Or(results.Graver(a.Severity, b.Severity), cmp.Compare(a.ID, b.ID))
	})
}

func addFinding(r *results.Result, f results.Finding) {
	at := slices.IndexFunc(r.Findings, func(known results.Finding) bool { return known.ID == f.ID })
	if at < 0 {
		r.Findings = append(r.Findings, f)
		return
	}
	known := &r.Findings[at]
	for _, way := range f.Rows {
		if !slices.Contains(known.Rows, way) {
			known.Rows = append(known.Rows, way)
		}
	}
	if results.Graver(f.Severity, known.Severity) < 0 {
		known.Severity, known.Measured, known.Evidence = f.Severity, f.Measured, f.Evidence
	}
}

// finding is what one row shows.
func finding(rows []bypass.Row, seen *bypass.Row, row *results.BypassRow) results.Finding {
	attempt, _ := bypass.AttemptNamed(row.Case)
	cause := likelyMistake(rows, seen, attempt)
	_, fix := put(row.Server, cause)
	if fix == "" {
		fix = fmt.Sprintf("no single mistake opens this case: hold the policy of %s against what the case lacks (originpull list cases --verbose)", row.Server)
	}
	f := results.Finding{
		ID:       results.FindingID(row.Case, row.Strategy, row.Server, cause),
		Severity: results.GradeOf(reach(attempt.Capability), row.Measured),
		Title:    row.Title, Experiment: row.Experiment, Case: row.Case, Strategy: row.Strategy, Server: row.Server,
		Mistake: cause, Capability: string(attempt.Capability), Measured: row.Measured,
		Rows: []string{row.Way()}, Fix: fix, Reference: attempt.Reference,
	}
	f.Evidence = results.Evidence{Row: row.Way(), Status: row.Status}
	if e := seen.Evidence; e != nil {
		f.Evidence = results.Evidence{
			Row: row.Way(), Step: e.Step, Status: e.Status, Answer: e.Answer, Audit: e.Audit,
			TLS: e.TLS, Cipher: e.Cipher, Group: e.Group, Resumed: e.Resumed, Shown: e.Shown, Peer: e.Peer,
		}
	}
	return f
}

// likelyMistake is the first control planned for the row's case: it does not
// hang on how that came out, because a finding's id must not.
func likelyMistake(rows []bypass.Row, seen *bypass.Row, attempt bypass.Attempt) string {
	for i := range rows {
		r := &rows[i]
		if r.Mistake == "" || r.Case != seen.Case || r.Strategy != seen.Strategy || r.Server != seen.Server {
			continue
		}
		if title, _ := put(r.Server, r.Mistake); title != "" {
			return r.Mistake
		}
	}
	return attempt.EdgeFault
}

// put says what a mistake is and how it is put right on a server; "" for what
// is no mistake.
func put(server, mistake string) (title, fix string) {
	if fault, known := bypass.EdgeFaultNamed(mistake); known {
		return fault.Title, fault.Fix
	}
	m, known := origin.MistakeNamed(mistake)
	if !known {
		return "", ""
	}
	if driver, real := origin.DriverNamed(server); real {
		return m.Title, cmp.Or(driver.Fix(m), m.Fix)
	}
	return m.Title, m.Fix
}

func addControl(r *results.Result, row *results.BypassRow) {
	title, fix := put(row.Server, row.Mistake)
	if title == "" {
		return
	}
	at := slices.IndexFunc(r.Controls, func(c results.Control) bool { return c.Server == row.Server && c.Mistake == row.Mistake })
	if at < 0 {
		at = len(r.Controls)
		strategy := row.Strategy
		if m, known := origin.MistakeNamed(row.Mistake); known {
			strategy = m.Strategy
		}
		r.Controls = append(r.Controls, results.Control{Server: row.Server, Strategy: strategy, Mistake: row.Mistake, Title: title, Fix: fix})
	}
	if c := &r.Controls[at]; !slices.Contains(c.Cases, row.Case) {
		c.Cases = append(c.Cases, row.Case)
	}
}

// reach is who has a capability.
func reach(c bypass.Capability) results.Reach {
	switch c {
	case bypass.KnowsAddress, bypass.OtherTenant, bypass.Viewer:
		return results.ReachAnyone
	case bypass.LeakedSecret, bypass.OtherCertificate, bypass.AddressInRange, bypass.OnPath:
		return results.ReachHolder
	case bypass.StolenKey, bypass.ControlsOrigin, bypass.Nobody:
		return results.ReachImpostor
	}
	return results.ReachAnyone
}
