package report

import (
	"bytes"
	"encoding/xml"
	"fmt"

	"github.com/originpull/originpull/results"
)

func init() {
	register(format{
		Format: Format{Name: "junit", Title: "JUnit XML: one case for each rule and each row of the bypass matrix"},
		render: junit,
	})
}

// The elements of JUnit's XML that every CI system reads.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
	Out       string      `xml:"system-out,omitempty"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	Time      string        `xml:"time,attr"`
	Skipped   *junitMessage `xml:"skipped,omitempty"`
	Error     *junitMessage `xml:"error,omitempty"`
	Failure   *junitMessage `xml:"failure,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit writes three suites: the run itself, its rules and its bypass rows.
// What is inconclusive or was not run is skipped: neither passed nor failed.
func junit(out *bytes.Buffer, r *results.Result, _ Options) error {
	class := "originpull." + r.Scenario.Name
	all := junitSuites{Name: r.Scenario.Name}
	for _, s := range []junitSuite{
		{Name: "run", Cases: runCases(r)},
		{Name: "rules", Cases: ruleCases(r)},
		{Name: "bypass", Cases: bypassCases(r), Out: boundOf(r)},
	} {
		s.Time, s.Timestamp = "0", r.Started.UTC().Format("2006-01-02T15:04:05")
		if s.Name == "run" {
			s.Time = fmt.Sprintf("%.3f", r.Elapsed)
		}
		for i := range s.Cases {
			c := &s.Cases[i]
			c.Time, c.ClassName = "0", class+"."+s.Name
			s.Tests++
			s.Failures += one(c.Failure != nil)
			s.Errors += one(c.Error != nil)
			s.Skipped += one(c.Skipped != nil)
		}
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
		all.Suites = append(all.Suites, s)
	}
	return writeJUnit(out, all)
}

func writeJUnit(out *bytes.Buffer, all junitSuites) error {
	out.WriteString(xml.Header)
	e := xml.NewEncoder(out)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("writing XML: %w", err)
	}
	out.WriteByte('\n')
	return nil
}

func one(b bool) int { return int(truth(b)) }

// runCases are what a run can fail of itself: interrupted, a failed arm, a
// measurement that is not valid.
func runCases(r *results.Result) []junitCase {
	complete := junitCase{Name: "complete"}
	if !r.Complete {
		complete.Error = &junitMessage{Message: "the run ended before its end"}
	}
	valid := junitCase{Name: "valid"}
	if !r.Validity.Valid {
		valid.Skipped = &junitMessage{Message: "the measurement is not valid"}
	}
	cases := []junitCase{complete, valid}
	for i := range r.Arms {
		if a := &r.Arms[i]; a.Error != "" {
			cases = append(cases, junitCase{Name: "arm " + a.Name, Error: &junitMessage{Message: a.Error}})
		}
	}
	return cases
}

func ruleCases(r *results.Result) []junitCase {
	var cases []junitCase
	for _, x := range r.Expectations {
		c := junitCase{Name: x.Expression}
		if x.Experiment != "" {
			c.Name = x.Experiment + ": " + x.Expression
		}
		switch {
		case x.Inconclusive:
			c.Skipped = &junitMessage{Message: "inconclusive: " + x.Detail}
		case !x.Pass:
			c.Failure = &junitMessage{Message: x.Detail, Text: x.Expression + "\n" + x.Detail}
		}
		cases = append(cases, c)
	}
	return cases
}

func bypassCases(r *results.Result) []junitCase {
	var cases []junitCase
	for i := range r.Bypass {
		b := &r.Bypass[i]
		c := junitCase{Name: rowName(b)}
		if b.Experiment != "" {
			c.Name = b.Experiment + ": " + c.Name
		}
		switch rowOutcome(b) {
		case rowSkipped:
			c.Skipped = &junitMessage{Message: b.Skipped}
		case rowUnexpected:
			c.Failure = &junitMessage{Message: rowFinding(b), Text: rowText(r, b)}
		case rowExpected:
		}
		cases = append(cases, c)
	}
	return append(cases, unrecorded(r)...)
}

// unrecorded fails an experiment whose planned rows were not all recorded.
func unrecorded(r *results.Result) []junitCase {
	var cases []junitCase
	for _, x := range r.Experiments {
		recorded := count(r.Bypass, func(b *results.BypassRow) bool { return b.Experiment == x.Name })
		if x.Kind == results.KindBypass && x.Skipped == "" && recorded < x.Rows {
			cases = append(cases, junitCase{Name: x.Name + ": every planned row", Error: &junitMessage{
				Message: fmt.Sprintf("%d of %d planned rows were recorded", recorded, x.Rows),
			}})
		}
	}
	return cases
}
