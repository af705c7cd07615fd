package bypass

import (
	"fmt"
	"slices"
	"strings"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/wire"
)

// EdgeServer stands in the rows of family E for who is attacked when the edge
// verifies its origin as a preset does; Strategy is the preset's name.
const EdgeServer = "edge"

// The facts of a preset that family E is about.
const (
	verifyPath  = "edge.tls.verify"
	unaskedPath = "edge.tls.unasked"
)

// presetRows predicts what becomes of an attempt on the edge of each CDN, by
// its own rule: what the preset does not know is not run.
func (p Plan) presetRows(a Attempt) []Planned {
	if a.Family != RogueOrigin {
		return nil
	}
	var rows []Planned
	for _, preset := range edge.Presets() {
		for _, version := range p.TLS {
			row := Planned{Case: a.ID, Title: a.Title, Server: EdgeServer, Strategy: preset.Name, TLS: version, Protocol: overH1, Predicted: a.gain()}
			open, fact, known := opens(&preset, a)
			switch {
			case !known:
				row.Predicted, row.Skipped = NotRun, fmt.Sprintf("the preset does not know %s", fact.Path)
			case !open:
				row.Predicted, row.Stage = Blocked, wire.StageTLS
			case fact.Path != "":
				row.Limit = strings.TrimSuffix(fact.Behaviour+": "+fact.Note, ": ")
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// opens says whether the preset's edge lets the attempt through, and by which
// fact.
func opens(preset *edge.Preset, a Attempt) (open bool, fact edge.Fact, known bool) {
	path, through := verifyPath, "false"
	switch a.EdgeFault {
	case acceptAny:
	case continueUnasked:
		path, through = unaskedPath, "continue"
	default: // no preset is without TLS
		return a.OpenByDesign, fact, true
	}
	fact, known = preset.Fact(path)
	fact.Path = path
	return a.OpenByDesign || fact.Value == through, fact, a.OpenByDesign || known && fact.Value != ""
}

// asPreset gives the edge the preset's rules of verification. One that is not
// known is the strict one: rows that go by it are not run.
func asPreset(name string) func(*edge.Config) {
	presets := edge.Presets()
	i := slices.IndexFunc(presets, func(p edge.Preset) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	verify, _ := presets[i].Fact(verifyPath)
	unasked, _ := presets[i].Fact(unaskedPath)
	return func(c *edge.Config) {
		c.AcceptAnyOriginCertificate = verify.Value == "false"
		c.ContinueWithoutClientCertificate = unasked.Value == "continue"
	}
}
