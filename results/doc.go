// Package results holds what a run measured and what may be concluded from
// it. It knows neither scenarios nor networks; report, compare and gate need
// nothing but its document.
//
//  1. A worker records into a Recorder: durations into histograms of the one
//     geometry, counters, and exact values.
//  2. Recorder.Summary crosses the pipe as JSON; Summary.Merge joins the
//     summaries of blocks and processes without losing a value.
//  3. The coordinator turns them into metrics: Percentiles and NewValue take
//     unit, kind and direction from the registry that Metrics lists.
//  4. TrimmedLogRatio is a trial's value of a comparison; PairedRatio is the
//     estimate over trials, and Resolved says whether it exceeds the noise.
//  5. ParseExpression, Check and Evaluate turn the scenario's rules into
//     expectations: Check before the run, Evaluate after it. Judge holds the
//     same grammar's expressions against what others claim. ParseObjective
//     reads what a Search holds each rate against.
//  6. Encode writes the Result, Seal lets Decode tell an edited file, and
//     Conclude weighs it. Compare sets stored results side by side.
//  7. Gate decides whether one arm is worse than another: Run looks at 10, 20
//     and 30 trials, repeats what it suspects on fresh ones, and judges each
//     metric, and each ratio that both sides have, by its rule. What is exact
//     is compared by GateExact and GateAttempts, and counts of instructions by
//     JudgeInstructions, within a share that never depends on the machine.
//  8. A Finding is a hole that bypass rows show, with its evidence; GradeOf is
//     the rule of its severity. A Control is a deliberate mistake and its fix.
//
// Invariants: a document holds finite numbers only; a metric has one unit for
// ever; histograms of another geometry are refused; whatever keeps a rule
// from being evaluated fails it.
//
// # Expectations
//
// The grammar, in the notation of the Go specification:
//
//	Expression = Side Operator ( Number [ Unit ] | Side ) .
//	Side       = Operand [ "/" Operand ] .
//	Operand    = metric [ "{" [ Selector { "," Selector } ] "}" ] .
//	Selector   = Text ( "=" | "!=" ) Text .
//	Text       = word | `"` Go string `"` | `'` anything but ' `'` .
//	Operator   = "==" | "!=" | "<" | "<=" | ">" | ">=" .
//	Unit       = "ns" | "us" | "µs" | "ms" | "s" | "min" | "B" | "KiB" | "MiB" | "GiB"
//	           | "%" | "ratio" | "/s" | "rtt" | "flights" | "count" .
//
// A metric is a name of the registry. A word is a run of graphic characters
// other than spaces, quotes and { } , = ! < >; a metric has no slash either.
// Space may stand between any two tokens. A number without a unit is in the
// metric's own.
//
// The left of a selector is the name of an axis, or experiment, role, arm or
// origin; an arm is named in full or without its experiment. Where an arm has
// several origins, origin selects what it measured of one of them (origin!=api:
// of every other); without it a rule is about the arm as a whole. An arm that lacks the
// axis matches neither = nor !=. A duration may be written in another way, 60s
// for 1m. Only ordinary arms match unless role is selected (arm, baseline, aa),
// and only arms of the rule's own experiment unless experiment is.
//
// Operand Operator Number must match at least one arm and hold in every one
// that it matches. In every other form each operand matches exactly one arm.
// The two metrics of a ratio, and the two sides of a comparison, need units
// that convert into each other; a ratio itself has none, or %.
//
// The metric bypass.unexpected counts rows of the experiment instead: those
// that ran and are not ok. Its selectors are experiment, case, strategy,
// server, tls and protocol, and it can only be compared with a number. It
// fails when no row ran or fewer rows were recorded than planned.
//
// Latency of an arm whose generator was late is not valid: a rule about it
// fails as inconclusive. So does a rule about a capacity of which only a lower
// bound is known, unless that bound decides it.
package results
