package results

import (
	"cmp"
	"slices"
	"strings"
)

// Finding is one hole: something got through that the correct policy must
// stop. The rows that show it, over other protocols and TLS versions, are one
// finding. What a control lets through is none: see Control.
type Finding struct {
	ID         string `json:"id"` // see FindingID
	Severity   Grade  `json:"severity"`
	Title      string `json:"title"`
	Experiment string `json:"experiment"` // where it was first seen
	Case       string `json:"case"`
	Strategy   string `json:"strategy"`
	Server     string `json:"server"`
	// Mistake is the one that opens the case in the case's control: the likely
	// cause. "": none does alone.
	Mistake    string   `json:"mistake,omitempty"`
	Capability string   `json:"capability"` // what the attacker needs beside the origin's address
	Measured   string   `json:"measured"`   // the verdict: VerdictBypassed, …
	Rows       []string `json:"rows"`       // "h1 TLS 1.2", in the rows' order
	Evidence   Evidence `json:"evidence"`
	Fix        string   `json:"fix"` // on that server
	Reference  string   `json:"reference,omitempty"`
}

// Evidence is what one of a finding's rows saw. It is bounded (see
// MaxEvidence), and secrets are taken out before it is kept.
type Evidence struct {
	Row     string `json:"row"`               // which of Finding.Rows
	Step    string `json:"step,omitempty"`    // of the attempt
	Status  int    `json:"status,omitempty"`  // HTTP, 0: none
	Answer  string `json:"answer,omitempty"`  // the first bytes that came back
	Audit   string `json:"audit,omitempty"`   // the line of the origin's log
	TLS     string `json:"tls,omitempty"`     // version that was negotiated
	Cipher  string `json:"cipher,omitempty"`  // IANA name
	Group   string `json:"group,omitempty"`   // key exchange
	Resumed bool   `json:"resumed,omitempty"` // the handshake was
	Shown   string `json:"shown,omitempty"`   // the attacker's certificate: subject and SHA-256
	Peer    string `json:"peer,omitempty"`    // the origin's, likewise
}

// MaxEvidence bounds each text of an Evidence, in bytes.
const MaxEvidence = 1024

// Control is a deliberate mistake that let attempts through, as it has to, and
// how whoever makes it by accident puts it right on that server.
type Control struct {
	Server   string   `json:"server"`
	Strategy string   `json:"strategy"` // to which the mistake belongs
	Mistake  string   `json:"mistake"`
	Title    string   `json:"title"` // what the server does wrong
	Fix      string   `json:"fix"`
	Cases    []string `json:"cases"` // that it opened
}

// Grade says how much a finding matters.
type Grade string

// The severities, the gravest first.
const (
	GradeCritical Grade = "critical"
	GradeHigh     Grade = "high"
	GradeMedium   Grade = "medium"
	GradeLow      Grade = "low"
)

var severities = []Grade{GradeCritical, GradeHigh, GradeMedium, GradeLow}

// Reach is who can make an attempt: the half of a severity that does not hang
// on how it came out.
type Reach int

// The reaches.
const (
	ReachAnyone   Reach = iota // whoever knows an address, a viewer, another customer of the CDN
	ReachHolder                // who has something that is not for everyone: a secret seen, an address, a certificate of the authority, a place on the path
	ReachImpostor              // who has the edge's own key, or stands in the origin's place
)

// GradeOf is the rule: content for anyone is critical, for a holder high,
// for an impostor medium. What was only given away beside a refusal, or for a
// while after it was forbidden, is one step less; what costs the origin work
// and gives nothing is two. Nothing is less than low.
func GradeOf(reach Reach, measured string) Grade {
	step := int(min(max(reach, ReachAnyone), ReachImpostor))
	switch measured {
	case VerdictLeaked, VerdictLagged:
		step++
	case VerdictCostly:
		step += 2
	}
	return severities[min(step, len(severities)-1)]
}

// Score is the severity as code scanning counts it, from 0 to 10: above 9 is
// critical, from 7 high, from 4 medium.
func (s Grade) Score() string {
	switch s {
	case GradeCritical:
		return "9.5"
	case GradeHigh:
		return "8.0"
	case GradeMedium:
		return "5.5"
	default:
		return "3.0"
	}
}

// Graver compares two severities: negative where a is the graver. One that is
// not known is the least grave.
func Graver(a, b Grade) int {
	at := func(s Grade) int {
		if i := slices.Index(severities, s); i >= 0 {
			return i
		}
		return len(severities)
	}
	return cmp.Compare(at(a), at(b))
}

// FindingID names a hole for ever: by what it is, never by how it was seen.
func FindingID(id, strategy, server, mistake string) string {
	return strings.Join([]string{id, strategy, server, cmp.Or(mistake, "unexplained")}, "/")
}

// Open says whether the row shows a hole: it met the correct policy, and got
// what nobody had predicted.
func (b *BypassRow) Open() bool {
	if b.Mistake != "" || !b.Ran() || b.Measured == b.Predicted {
		return false
	}
	return slices.Contains([]string{VerdictBypassed, VerdictLeaked, VerdictLagged, VerdictCostly}, b.Measured)
}

// Way is how the row went, beside its case, strategy and server.
func (b *BypassRow) Way() string {
	way := b.Protocol
	if b.TLS != "" {
		way += " TLS " + b.TLS
	}
	return strings.TrimSpace(way)
}

// Finding returns the finding that the row shows; nil where it shows none.
func (r *Result) Finding(b *BypassRow) *Finding {
	if !b.Open() {
		return nil
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Case == b.Case && f.Strategy == b.Strategy && f.Server == b.Server && slices.Contains(f.Rows, b.Way()) {
			return f
		}
	}
	return nil
}

// finding checks what the schema cannot say of one.
func (v *validator) finding(i int, f *Finding, taken map[string]bool) {
	if taken[f.ID] {
		v.problem("findings[%d]: the id %q is taken", i, f.ID)
	}
	taken[f.ID] = true
	if f.ID != FindingID(f.Case, f.Strategy, f.Server, f.Mistake) {
		v.problem("findings[%d]: the id %q is not that of case, strategy, server and mistake", i, f.ID)
	}
	for _, text := range []string{f.Evidence.Answer, f.Evidence.Audit, f.Evidence.Shown, f.Evidence.Peer} {
		if len(text) > MaxEvidence {
			v.problem("findings[%d] %s: evidence of %d bytes, want at most %d", i, f.ID, len(text), MaxEvidence)
		}
		if strings.Contains(text, "PRIVATE KEY") {
			v.problem("findings[%d] %s: the evidence holds a private key", i, f.ID)
		}
	}
}
