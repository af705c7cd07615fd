package report

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/originpull/originpull/results"
)

func TestSARIFIsValid(t *testing.T) {
	for _, name := range names {
		validSARIF(t, name, document(t, name))
	}
}

// validSARIF holds a document's SARIF against the official schema.
func validSARIF(t *testing.T, name string, r *results.Result) {
	t.Helper()
	text, err := os.ReadFile("testdata/sarif.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sarif.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(render(t, "sarif", r, Options{})))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func sarifOf(t *testing.T, r *results.Result) sarifRun {
	t.Helper()
	var log sarifLog
	if err := json.Unmarshal([]byte(render(t, "sarif", r, Options{})), &log); err != nil {
		t.Fatal(err)
	}
	return log.Runs[0]
}

func TestSARIFFindings(t *testing.T) {
	if run := sarifOf(t, document(t, "quickstart")); len(run.Results) != 0 {
		t.Errorf("%d findings in a run without any", len(run.Results))
	}
	r := document(t, "failed")
	r.Scenario.File = "ci/origin.yaml"
	for i := range r.Experiments {
		r.Experiments[i].Line = 10 * (i + 1)
	}
	before := sarifOf(t, r)
	unexpected := count(r.Bypass, func(b *results.BypassRow) bool { return b.Ran() && !b.OK })
	if len(before.Results) != unexpected || unexpected == 0 {
		t.Fatalf("%d findings for %d rows", len(before.Results), unexpected)
	}
	prints := map[string]bool{}
	for _, x := range before.Results {
		prints[x.Fingerprints[fingerprintKey]] = true
		if at := x.Locations[0].Physical; at.Artifact.URI != "ci/origin.yaml" || at.Region.StartLine != 30 {
			t.Errorf("at %+v", at)
		}
		if before.Tool.Driver.Rules[x.RuleIndex].ID != x.RuleID {
			t.Errorf("rule %s at %d", x.RuleID, x.RuleIndex)
		}
	}
	if len(prints) != unexpected {
		t.Errorf("%d fingerprints for %d findings", len(prints), unexpected)
	}
	// The scenario is edited above, and the wording changes: the alerts stay.
	for i := range r.Experiments {
		r.Experiments[i].Line += 7
	}
	for i := range r.Bypass {
		r.Bypass[i].Title += "!"
		r.Bypass[i].Detail += " again"
	}
	after := map[string]bool{}
	for _, x := range sarifOf(t, r).Results {
		after[x.Fingerprints[fingerprintKey]] = true
	}
	if !maps.Equal(prints, after) {
		t.Errorf("fingerprints %v, then %v", slices.Sorted(maps.Keys(prints)), slices.Sorted(maps.Keys(after)))
	}
}
