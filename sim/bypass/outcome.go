package bypass

import (
	"net/http"
	"net/netip"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/wire"
)

// Verdict is what an attempt amounted to.
type Verdict string

// The verdicts.
const (
	Blocked  Verdict = "blocked"  // refused
	Bypassed Verdict = "bypassed" // the protected answer came back
	Denied   Verdict = "denied"   // the legitimate edge was refused
	Lagged   Verdict = "lagged"   // refused, but later than the change that should have refused it
	Leaked   Verdict = "leaked"   // refused, but the answer held a secret
	Served   Verdict = "served"   // the edge itself got the protected answer
	Unstable Verdict = "unstable" // differs between repetitions
	Costly   Verdict = "costly"   // the origin was made to work, or to hold on, for nothing
	NotRun   Verdict = "not-run"  // nothing was proven
)

// Step is what one request of an attempt came to.
type Step struct {
	Name    string         // what the step tried, in a few words
	Stage   wire.Stage     // the furthest stage reached; tcp until the first byte of the server
	Status  int            // HTTP status, 0 without an answer
	Proof   string         // the answer's X-Origin-Proof header
	Reason  string         // what the client saw when it was refused
	Local   netip.AddrPort // the client's end: the key of the audit log
	Resumed bool           // the client resumed a session

	sent, received int64 // bytes on the connection so far

	seen witness // for evidence

	// Lacks are proofs that this step lacks and another of the attempt holds.
	Lacks origin.Proof

	// Malformed: what is sent is no TLS to an origin that knows no better. A
	// refusal as such, for want of no proof, is as good as another, because a
	// later step of the attempt does without.
	Malformed bool

	// Early: what the attempt builds on was refused already, wherever that was.
	Early bool

	// Follows: an earlier request on this connection was served, and a server's
	// log may have no more of the connection than that.
	Follows bool

	// Leaked: the answer gave something away, protected or not.
	Leaked bool

	// Held: the origin was made to work, or to hold on, for nothing.
	Held bool

	// Kept: whoever may pull asked for something else and was told nothing; the
	// origin's log has no refusal of that.
	Kept bool

	// Silent: nothing came back before the client gave up. Only the origin's
	// own word that it dropped the client's packets makes that a refusal.
	Silent bool
}

// Protected reports whether the protected answer came back.
func (s Step) Protected() bool {
	return s.Status == http.StatusOK && s.Proof == origin.ProtectedContent
}

// Outcome is what an attempt came to: its deciding steps, in order. One that
// only prepares is left out unless it was refused, which then decides.
type Outcome struct {
	Steps []Step

	// Denied says why the legitimate edge was refused in the middle of the
	// attempt, "" when it was not.
	Denied string

	// Attempts is how many were made, of a randomised case; 0: one.
	Attempts int
}

// breaches returns the steps that got what they were after.
func (o Outcome) breaches() []Step {
	var through []Step
	for _, s := range o.Steps {
		if s.Protected() || s.Leaked || s.Held {
			through = append(through, s)
		}
	}
	return through
}

// expectedStage is where a policy refuses an attempt that lacks the given
// proofs: the guards stand in the order of the connection.
func expectedStage(a Attempt, missing origin.Proof) wire.Stage {
	atTLS := origin.Chain | origin.Purpose | origin.Validity | origin.Subject | origin.Possession
	if a.Path.Connection != origin.Pooled {
		atTLS |= origin.Freshness
	}
	if a.Unasked || a.Path.Impersonates || a.Path.Port == origin.Plaintext {
		atTLS = 0
	}
	switch {
	case missing&origin.Address != 0:
		return wire.StageTCP
	case missing&atTLS != 0:
		return wire.StageTLS
	default:
		return wire.StageHTTP
	}
}
