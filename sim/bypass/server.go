package bypass

import (
	"context"
	"fmt"
	"slices"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// Builtin is the built-in origin among Servers.
const Builtin = "builtin"

// Servers names what attempts can be made on: the built-in origin, and every
// real server that has a driver, installed or not.
func Servers() []string {
	names := []string{Builtin}
	for _, d := range origin.Drivers() {
		names = append(names, d.Name)
	}
	return names
}

// onServer is a real server in a plan.
type onServer struct {
	driver origin.Driver
	found  origin.Installed
	absent error // why it is not there
}

func (p Plan) server(name string) onServer {
	s := onServer{}
	s.driver, _ = origin.DriverNamed(name)
	find := p.Find
	if find == nil {
		find = func(d origin.Driver) (origin.Installed, error) { return d.Find(context.Background()) }
	}
	s.found, s.absent = find(s.driver)
	return s
}

// serverRows predicts the rows on a real server: of every case the strategies
// that it is about, with the controls that the driver has words for.
func (p Plan) serverRows(name string) ([]Planned, error) {
	s := p.server(name)
	var rows []Planned
	for _, id := range p.Cases {
		a := registry[id]
		if a.Rogue != nil {
			continue // it meets the edge, and no origin
		}
		for _, strategy := range p.Strategies {
			v, err := variantNamed(strategy)
			if err != nil {
				return nil, err
			}
			if !a.isAbout(v) || a.Profiles || v.profile != "" {
				continue // a front door's profile is the built-in origin's
			}
			met, err := p.serverCase(s, a, v)
			if err != nil {
				return nil, err
			}
			rows = append(rows, met...)
		}
	}
	return rows, nil
}

// isAbout says whether one of the variant's strategies is what the case tries.
func (a Attempt) isAbout(v variant) bool {
	return slices.ContainsFunc(v.strategies, func(s string) bool {
		_, tried := a.Mistakes[s]
		return tried || slices.Contains(a.Concerns, s)
	})
}

// serverCase predicts the rows of one case under one variant. Where there is
// no control in the server's words, nothing is run: a block would prove
// nothing.
func (p Plan) serverCase(s onServer, a Attempt, v variant) ([]Planned, error) {
	all, err := v.controls(a)
	if err != nil {
		return nil, err
	}
	var controls []string
	skipped := ""
	for _, name := range all {
		if s.driver.Writes(name) {
			controls = append(controls, name)
		}
	}
	for _, name := range fallbacks(a, v) {
		if len(controls) == 0 && s.driver.Writes(name) && (name != "any-certificate" || a.Holds.Has(origin.Possession)) {
			controls = []string{name}
		}
	}
	mistakes, combined := []string{""}, false
	switch {
	case len(controls) > 0:
		mistakes = append(mistakes, controls...)
	case len(all) > 0:
		mistakes, skipped = append(mistakes, all[0]), fmt.Sprintf("its control %s is not written for %s", all[0], s.driver.Name)
	case !a.Legitimate:
		combined = true
		mistakes, skipped = append(mistakes, noneAlone), "no single mistake opens this combination: each of its parts is proven alone"
	}
	var rows []Planned
	for _, protocol := range p.protocols(a, v) {
		if protocol == overH3 && !a.overQUIC() {
			continue // the drivers open no UDP port for attempts
		}
		for _, mistake := range mistakes {
			for _, version := range p.TLS {
				row := Planned{
					Case: a.ID, Title: a.Title, Server: s.driver.Name, Strategy: v.name, Mistake: mistake,
					TLS: version, Protocol: protocol, Predicted: NotRun,
				}
				row.Skipped = s.unmet(row, a, v)
				if row.Skipped == "" && (mistake != "" || !combined) {
					row.Skipped = skipped
				}
				if row.Skipped == "" {
					if row, err = s.predict(row, a, v); err != nil {
						return nil, err
					}
				}
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

// fallbacks open a case in a coarser way, for servers that have no words for
// the finer one.
func fallbacks(a Attempt, v variant) []string {
	if _, tried := a.Mistakes[origin.MTLS]; !tried || len(v.strategies) > 1 || v.strategies[0] != origin.MTLS || a.Legitimate {
		return nil
	}
	return []string{"any-certificate", "never-asks"}
}

// unmet says why the attempt cannot be made on this server, or "".
func (s onServer) unmet(row Planned, a Attempt, v variant) string {
	switch reason := a.unmet(row.Protocol, row.TLS); {
	case s.absent != nil:
		return s.absent.Error()
	case reason != "":
		return reason
	case a.BuiltinOnly != "":
		return a.BuiltinOnly
	case a.OnServers13 != "" && row.TLS == "1.2":
		return a.OnServers13
	case a.TwoHosts && !s.driver.PublicHosts():
		return "the driver writes no public host beside the protected one"
	case a.Live && !s.driver.Reloads():
		return "it changes the policy of a running origin, and the driver writes one at the start"
	case slices.ContainsFunc(a.Sides, func(side string) bool { return !s.driver.Opens(side) }):
		return fmt.Sprintf("the driver opens no %s listener", a.Sides[0])
	case a.SecondLeaf && v.pin == origin.PinLeaf:
		return "it begins with another certificate in the edge's name, and here one certificate is pinned"
	}
	return ""
}

// predict is predict with what the server does not enforce taken off. The
// reason of a limit that opens the case is in the row.
func (s onServer) predict(row Planned, a Attempt, v variant) (Planned, error) {
	p, err := v.policy(row.Mistake)
	if err != nil {
		return row, fmt.Errorf("predicting %s against %s on %s: %w", a.ID, v.name, s.driver.Name, err)
	}
	if !s.driver.PublicHosts() {
		p.PublicHosts = nil
	}
	required := p.Requires(a.Path)
	for _, limit := range s.driver.Limits(s.found, p) {
		switch {
		case limit.Proof == 0:
			row.Skipped = limit.Reason
			return row, nil
		case !limit.Weak:
			required = required.Without(limit.Proof)
		case a.Exploits.Has(limit.Proof) && a.Exploits != 0:
			required = required.Without(limit.Proof)
		default:
			continue
		}
		row.Limit = limit.Reason
	}
	if a.Gain == Costly && s.driver.Stage(origin.Address) != origin.StageTCP {
		required = required.Without(origin.Address) // asked for after what the attempt is about
	}
	row.Missing = required.Without(v.holds(a))
	if known, ok := origin.MistakeNamed(row.Mistake); ok {
		row.Missing |= known.Locks
	}
	row.Predicted = a.gain()
	if reason := a.HeldBy[s.driver.Name]; reason != "" && row.Missing != 0 && s.stage(row.Missing) == wire.StageHTTP {
		row.Predicted, row.Limit, row.Missing = Costly, reason, 0
		return row, nil
	}
	if row.Missing != 0 {
		row.Predicted, row.Limit = Blocked, ""
		if a.Legitimate {
			row.Predicted = Denied
		}
		row.Stage = s.stage(row.Missing)
	}
	return row, nil
}

// stage is the first at which one of the missing proofs is asked for.
func (s onServer) stage(missing origin.Proof) wire.Stage {
	if missing.Has(origin.Chain) {
		missing = missing.Without(origin.Possession) // nobody gets that far
	}
	first := origin.StageHTTP
	for _, name := range missing.Names() {
		proof, err := origin.ParseProof(name)
		if err != nil {
			continue
		}
		switch s.driver.Stage(proof) {
		case origin.StageTCP:
			return wire.StageTCP
		case origin.StageTLS:
			first = origin.StageTLS
		}
	}
	return wire.Stage(first)
}
