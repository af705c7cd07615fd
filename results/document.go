package results

import (
	"encoding/json"
	"time"
)

// SchemaName is what the field "schema" of every document of this version
// says. Within a version fields are only added.
const SchemaName = "originpull.results/v1"

// Result is one run: everything that report, compare and gate need.
type Result struct {
	Schema       string            `json:"schema"`        // SchemaName
	Sum          string            `json:"sum,omitempty"` // SHA-256 of the document without it: see Seal; "": not sealed
	Scenario     Scenario          `json:"scenario"`
	Plan         json.RawMessage   `json:"plan,omitempty"`        // what was run, verbatim
	Build        map[string]string `json:"build,omitempty"`       // of originpull itself: see the Build… keys
	Environment  map[string]string `json:"environment,omitempty"` // of this machine: see the Env… keys
	Started      time.Time         `json:"started"`
	Elapsed      float64           `json:"elapsed"`  // seconds from start to verdict
	Complete     bool              `json:"complete"` // false: the run ended before its end; an arm that failed says so itself
	Experiments  []Experiment      `json:"experiments"`
	Arms         []Arm             `json:"arms"`
	Pairs        []Pair            `json:"pairs"`
	Bypass       []BypassRow       `json:"bypass"`
	Findings     []Finding         `json:"findings,omitempty"` // the gravest first
	Controls     []Control         `json:"controls,omitempty"` // that let through what they must
	Expectations []Expectation     `json:"expectations"`
	Claims       []Claim           `json:"claims,omitempty"` // of others, beside what was measured here
	Validity     Validity          `json:"validity"`
}

// Keys of Result.Environment and Result.Build that the report prints. Other
// keys are welcome and are kept.
const (
	EnvCPU      = "cpu"         // model name
	EnvCores    = "cores"       // logical processors that the run could use
	EnvOS       = "os"          // GOOS
	EnvArch     = "arch"        // GOARCH
	EnvKernel   = "kernel"      // release
	EnvGo       = "go"          // runtime.Version of the workers
	EnvMaxProcs = "gomaxprocs"  // of each worker
	EnvLoad     = "load.before" // the system's load average of one minute when the run began
	// Of the edges of arms that are paced: what their generator waits on, and
	// whether real-time scheduling was given where it was asked for.
	EnvGenerator = "generator"
	EnvRealtime  = "realtime"

	BuildVersion  = "version"
	BuildRevision = "revision"
)

// Scenario names what was asked for.
type Scenario struct {
	Name   string `json:"name"`
	Title  string `json:"title,omitempty"`
	File   string `json:"file,omitempty"` // as it was named, slashes forward
	Digest string `json:"digest"`         // SHA-256 of the resolved scenario
	Seed   uint64 `json:"seed"`
}

// The kinds of experiment.
const (
	KindHandshakes = "handshakes"
	KindRequests   = "requests"
	KindBypass     = "bypass"
)

// Experiment says how its arms were measured.
type Experiment struct {
	Name           string  `json:"name"` // "" for the only, unnamed one
	Kind           string  `json:"kind"` // KindHandshakes, KindRequests or KindBypass
	Title          string  `json:"title,omitempty"`
	Trials         int     `json:"trials,omitempty"`  // planned
	Rounds         int     `json:"rounds,omitempty"`  // of blocks in one trial
	Block          float64 `json:"block,omitempty"`   // seconds
	Counted        int64   `json:"counted,omitempty"` // requests of every arm, where they were counted and not timed
	Blocks         int     `json:"blocks,omitempty"`  // of all arms whose CPU was read; 0: not counted
	Crowded        int     `json:"crowded,omitempty"` // of them, those in which others had the processors for a fifth of the time and more
	Skipped        string  `json:"skipped,omitempty"` // why it could not run here at all: a server that is not installed
	Line           int     `json:"line,omitempty"`    // of the scenario's file where it stands; 0: not known
	Rows           int     `json:"rows,omitempty"`    // planned bypass rows, those not run included; 0: not known
	PlannedSeconds float64 `json:"plannedSeconds"`
}

// Role is what an arm is for. Expectations and headlines see only ordinary
// arms unless they ask for another role.
type Role string

// The roles of arms.
const (
	RoleArm      Role = "arm"
	RoleBaseline Role = "baseline" // the same exchange over plain TCP
	RoleAA       Role = "aa"       // an ordinary arm once more, under another name
)

// Keys of Arm.Labels: what was really used and negotiated, never what was
// asked for.
const (
	LabelServer        = "server"
	LabelServerVersion = "server.version"
	LabelTLSLibrary    = "tls.library"
	LabelTLSVersion    = "tls.version"
	LabelGroup         = "group"
	LabelCipher        = "cipher"
	LabelKey           = "key"
	LabelResumption    = "resumption"
	LabelChainBytes    = "chain.bytes"      // what the chain is padded to; absent: as it comes
	LabelIdleTimeout   = "pool.idleTimeout" // T of the closed form, where connections are kept
	LabelHelloRetry    = "helloRetry"       // "true" where the origin asked for another key share
	LabelPrimitives    = "primitives"       // the library whose primitives efficiency.origin is held against; absent: there is none
	LabelArrivals      = "arrivals"         // where the times of a trace's requests come from; absent: from no trace
	LabelPlanted       = "planted"          // "+15 %": CPU burnt on purpose, a check of the harness; absent: none
)

// Arm is one measured configuration.
type Arm struct {
	Name       string            `json:"name"` // experiment/axis=value,…: unique
	Experiment string            `json:"experiment"`
	Role       Role              `json:"role"`
	Doubles    string            `json:"doubles,omitempty"` // name of the arm that an A/A arm repeats
	Axes       map[string]string `json:"axes"`
	Labels     map[string]string `json:"labels,omitempty"`
	Error      string            `json:"error,omitempty"` // why the arm failed; its metrics then hold what was measured before
	Metrics    map[string]Value  `json:"metrics"`
	Trials     []Trial           `json:"trials"`
	Histograms map[string]string `json:"histograms,omitempty"` // base64 HdrHistogram V2, nanoseconds: see DecodeHistogram
	Pops       []Pop             `json:"pops,omitempty"`       // where points of presence have distances of their own
	Origins    []Origin          `json:"origins,omitempty"`    // where there are several behind the edge; labels and metrics of the arm are then those of all together
}

// Origin is what the edge of an arm did towards one of several origins, and what
// the viewers of its objects got.
type Origin struct {
	Name    string            `json:"name"`
	Labels  map[string]string `json:"labels,omitempty"` // as those of an arm
	Metrics map[string]Value  `json:"metrics"`
}

// Pop is what one point of presence of an arm did.
type Pop struct {
	Name    string           `json:"name"`
	Metrics map[string]Value `json:"metrics"`
}

// Value is one metric of one arm over all its trials.
type Value struct {
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Kind   Kind    `json:"kind"`
	Better string  `json:"better"`
	Low    float64 `json:"low"`  // bounds of the 95 % interval over trials; smallest and largest of an exact value
	High   float64 `json:"high"` // both zero: there is no interval
	N      int     `json:"n"`    // trials behind a mean, samples behind a percentile or an exact value; 0: nothing was measured, and every expectation on it fails
}

// Within returns the value with an interval.
func (v Value) Within(low, high float64) Value {
	v.Low, v.High = low, high
	return v
}

// HasInterval reports whether Low and High say anything.
func (v Value) HasInterval() bool { return v.Low != 0 || v.High != 0 }

// Trial is one fresh pair of edge and origin processes: the unit of every
// statistic.
type Trial struct {
	Index      int                `json:"index"` // from 1
	Complete   bool               `json:"complete"`
	Metrics    map[string]float64 `json:"metrics"` // in the metrics' own units
	Histograms map[string]string  `json:"histograms,omitempty"`
	Search     *Search            `json:"search,omitempty"` // of workload.find; its other figures are those of the highest rate that was kept, or of the lowest there was
}

// The roles of pairs.
const (
	PairAxis = "axis" // two ordinary arms that differ on one axis
	PairAA   = "aa"   // an arm and its double
)

// Pair compares one metric of two arms that were measured together.
type Pair struct {
	A         string    `json:"a"` // arm names; the ratio is a ÷ b
	B         string    `json:"b"`
	Metric    string    `json:"metric"`
	Axis      string    `json:"axis,omitempty"` // the one axis on which they differ
	Role      string    `json:"role"`           // PairAxis or PairAA
	Estimates []float64 `json:"estimates"`      // one natural log-ratio ln(a÷b) per trial
	Ratio     float64   `json:"ratio"`
	Low       float64   `json:"low"`  // both zero: too few trials for an interval
	High      float64   `json:"high"` // 95 % interval over trials
	Resolved  bool      `json:"resolved"`
}

// Estimate returns the pair's ratio and interval.
func (p *Pair) Estimate() Estimate {
	return Estimate{Ratio: p.Ratio, Low: p.Low, High: p.High, N: len(p.Estimates)}
}

// Verdicts of a bypass row. Readers accept others.
const (
	VerdictBlocked  = "blocked"
	VerdictBypassed = "bypassed"
	VerdictDenied   = "denied" // the legitimate edge was refused
	VerdictLagged   = "lagged" // worked for a while after it was forbidden
	VerdictLeaked   = "leaked"
	VerdictServed   = "served" // the legitimate edge got through
	VerdictCostly   = "costly"
	VerdictUnstable = "unstable"
	VerdictNotRun   = "not-run"
)

// BypassRow is one attempt to pull without being the edge.
type BypassRow struct {
	Experiment     string `json:"experiment"`
	Case           string `json:"case"` // A01
	Title          string `json:"title"`
	Strategy       string `json:"strategy"`
	Server         string `json:"server"`
	Mistake        string `json:"mistake"` // "": the correct policy; else this row is its control
	TLS            string `json:"tls"`     // "1.2", "1.3" or "" for plaintext
	Protocol       string `json:"protocol"`
	Predicted      string `json:"predicted"`
	Measured       string `json:"measured"`
	Stage          string `json:"stage"`  // furthest reached: tcp, tls or http
	Reason         string `json:"reason"` // the origin's own words
	ExpectedReason string `json:"expectedReason,omitempty"`
	Proof          string `json:"proof,omitempty"` // the proof that the attempt lacked
	Status         int    `json:"status"`          // HTTP status, 0: none
	Legs           Legs   `json:"legs"`
	Skipped        string `json:"skipped"`          // why the row could not be run at all: a missing server or protocol, nothing that broke
	Detail         string `json:"detail,omitempty"` // for a person, above all when the row is not ok
	// Price is what the attempt cost, of a case that is about that.
	Price *BypassPrice `json:"price,omitempty"`
	// Attempts is how many were made, of a randomised case; 0: one.
	Attempts int  `json:"attempts,omitempty"`
	OK       bool `json:"ok"` // measured as predicted, for the right reason, and both legs hold
}

// BypassPrice is what attempts cost the origin, and what they left for the
// legitimate edge. Nothing of it decides a verdict.
type BypassPrice struct {
	Attempts      int     `json:"attempts"`
	CPU           float64 `json:"cpuSeconds"`                  // of the origin, per attempt; 0: not known
	ResumedCPU    float64 `json:"resumedCpuSeconds,omitempty"` // per attempt that resumed a session
	BytesSent     float64 `json:"bytesSent"`                   // by the attacker, per attempt, without IP and TCP
	BytesReceived float64 `json:"bytesReceived"`
	Held          int     `json:"held"`      // connections that the origin still had open at the end
	Calm          float64 `json:"pullsCalm"` // of the edge, per second, without the attempts; 0: not measured
	Busy          float64 `json:"pullsBusy"` // beside them
}

// Ran reports whether the row was attempted. One that was attempted and broke
// measured VerdictNotRun, is not ok, and counts; one that was skipped counts
// neither as passed nor as failed.
func (b *BypassRow) Ran() bool { return b.Skipped == "" }

// Legs says whether the legitimate edge succeeded around the attempt.
type Legs struct {
	Before bool `json:"before"`
	After  bool `json:"after"`
}

// Expectation is one rule of the scenario and how it came out.
type Expectation struct {
	Expression   string  `json:"expression"`
	Experiment   string  `json:"experiment,omitempty"` // "": the whole document
	Pass         bool    `json:"pass"`
	Inconclusive bool    `json:"inconclusive,omitempty"` // failed only because the measurement is not valid
	Value        float64 `json:"value"`                  // of the first arm that failed, else of the first arm; the ratio of a ratio
	Detail       string  `json:"detail"`
}

// Verdicts on a claim. They are of this machine and this run.
const (
	ClaimSupported    = "supported"
	ClaimNotSupported = "not supported"
	ClaimNotResolved  = "not resolved" // not measured, or not beyond the noise
)

// Claim is what somebody says, beside what was measured. It fails no run.
type Claim struct {
	Text       string  `json:"text"`
	Source     string  `json:"source"`
	Expression string  `json:"expression"`           // holds where the claim does
	Experiment string  `json:"experiment,omitempty"` // "": the whole document
	Value      float64 `json:"value"`                // the left side of the expression
	Unit       string  `json:"unit,omitempty"`       // of the value; "": nothing was measured
	Low        float64 `json:"low,omitempty"`        // both zero: there is no interval
	High       float64 `json:"high,omitempty"`
	Verdict    string  `json:"verdict"`
	Detail     string  `json:"detail"`
}

// Validity says whether the numbers may be trusted.
type Validity struct {
	Valid      bool                           `json:"valid"`
	AA         map[string]map[string]Estimate `json:"aa"`              // experiment, then metric: the same arm twice
	Generator  map[string]Generator           `json:"generator"`       // by arm that was paced by arrivals
	Links      map[string]string              `json:"links,omitempty"` // by arm whose link cannot be believed: why; its times are not valid
	Reconciled bool                           `json:"reconciled"`      // both ends of at least one arm were compared, and agree
	Tallies    []Tally                        `json:"reconciliation,omitempty"`
	Warnings   []string                       `json:"warnings"`
}

// Generator says whether the load came when it was due.
type Generator struct {
	SendErrorP99 float64 `json:"sendErrorP99"` // ms
	Late         bool    `json:"late"`         // latency of this arm is not valid; counts and CPU stand
	Scheduled    int64   `json:"scheduled"`
	Sent         int64   `json:"sent"`                // within the blocks
	Answered     int64   `json:"answered,omitempty"`  // within the blocks, and not failed
	RateMet      bool    `json:"rateMet"`             // sent ÷ scheduled is within 0.1 %
	Saturated    bool    `json:"saturated,omitempty"` // answers fell behind: fewer than 99 % of what came
}

// Tally sets the two ends of one arm's connections side by side.
type Tally struct {
	Arm        string `json:"arm"`
	Origin     string `json:"origin,omitempty"`   // of several, which; "": there is one
	Connects   int64  `json:"connects"`           // TCP connections that the edge made
	Handshakes int64  `json:"handshakes"`         // at the origin: full, resumed, failed and closed before ClientHello; plain ones of a baseline
	Accepted   int64  `json:"accepted,omitempty"` // connections that the origin took in; equal to those that ended
	GivenUp    int64  `json:"givenUp,omitempty"`  // TCP connects beside Connects that the edge gave up: the origin may have seen some
	Unheard    int64  `json:"unheard,omitempty"`  // of Connects: failed without a word from the origin, which may not have seen some
	// Bytes beneath TLS of all handshakes that succeeded, both directions
	// together, as each end counted them.
	EdgeBytes   int64 `json:"edgeBytes,omitempty"`
	OriginBytes int64 `json:"originBytes,omitempty"`
}

// Agrees reports whether the two ends' connections are equal, but for those of
// which the edge cannot know whether the origin saw them.
func (t *Tally) Agrees() bool {
	return t.Handshakes >= t.Connects-t.Unheard && t.Handshakes <= t.Connects+t.GivenUp
}

// Experiment finds an experiment by name.
func (r *Result) Experiment(name string) (Experiment, bool) {
	for _, e := range r.Experiments {
		if e.Name == name {
			return e, true
		}
	}
	return Experiment{}, false
}

// Arm finds an arm by name; nil when there is none.
func (r *Result) Arm(name string) *Arm {
	for i := range r.Arms {
		if r.Arms[i].Name == name {
			return &r.Arms[i]
		}
	}
	return nil
}
