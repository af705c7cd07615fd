package scenarios

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	b, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, content []byte) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestLibraryFitsTheSchema(t *testing.T) {
	schema := compileSchema(t)
	for _, entry := range Library() {
		src, err := Read(entry.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, src.Content); err != nil {
			t.Errorf("%s: %v", entry.Name, err)
		}
		misspelt := bytes.Replace(src.Content, []byte("certificate:"), []byte("certifcate:"), 1)
		if bytes.Equal(misspelt, src.Content) {
			t.Fatalf("%s: nothing to misspell", entry.Name)
		}
		if err := validate(t, schema, misspelt); err == nil {
			t.Errorf("%s: a misspelt key fits", entry.Name)
		}
	}
}

// TestSchemaAgreesWithLoad compares both judges on documents that need no
// knowledge of combinations.
func TestSchemaAgreesWithLoad(t *testing.T) {
	schema := compileSchema(t)
	tests := []struct {
		content string
		fits    bool
	}{
		{"seed: 5", true},
		{"seed: -5", false},
		{"seed: five", false},
		{"name: [a]", false},
		{"edge: {tls: {version: \"1.2\"}}", true},
		{"edge: {tls: {version: 1.2}}", false},
		{"edge: {cache: {capacity: 0}}", true},
		{"edge: {cache: {capacity: 64MiB}}", true},
		{"edge: {cache: {capacity: 64MB/s}}", false},
		{"edge: {pool: {idleTimeout: 0, maxConnections: 0}}", true},
		{"edge: {pool: {idleTimeout: 5}}", false},
		{"edge: {pool: {maxConnections: -1}}", false},
		{"workload: {duration: 1m30s}", true},
		{"workload: {duration: -1s}", false},
		{"workload: {arrivals: {model: poisson, rate: 30/m}}", true},
		{"workload: {arrivals: {model: poisson, rate: -30/m}}", false},
		{"workload: {arrivals: {model: bursts}}", false},
		{"workload: {trials: 0}", false},
		{"workload: {objects: {alpha: 0.5}}", true},
		{"workload: {objects: {alpha: 9}}", false},
		{"origin: {strategies: []}", true},
		{"origin: {strategies: [mtls, mtls]}", false},
		{"origin: {header: {name: \"a b\"}}", false},
		{"origin:", false},
		{"origins: []", true},
		{"origins: [{name: a, match: {path: /a/*}, origin: {tickets: false}, edge: {pool: {maxConnections: 2}}}, {name: b}]", true},
		{"origins: [{match: {path: /a/*}}, {name: b}]", false},
		{"origins: [{name: a, match: {path: /a}}, {name: b}]", false},
		{"origins: [{name: a, match: {path: /a/*}, edge: {cache: {capacity: 0}}}, {name: b}]", false},
		{"compare: [{axis: how, values: [{name: a, set: {origins: [{name: b}]}}]}]", true},
		{"expect: [\"a == 1\"]", true},
		{"expect: [\" \"]", false},
		{"bypass: {cases: [A01]}", true},
		{"bypass: {cases: []}", false},
		{"bypass: {tls: [\"1.3\"]}", false},
		{"bypass: {cases: [A01], case: 1}", false},
		{"experiments: []", false},
		{"experiments: [{name: a}]", true},
		{"experiments: [{nam: a}]", false},
		{"experiments: [{workload: {trials: 2}}]", false},
		{"experiments: [{name: a}]\ncompare: [{axis: edge.tls.version, values: [\"1.2\"]}]", false},
		{"experiments: [{name: a, bypass: {cases: [A01]}, compare: [{axis: edge.tls.version, values: [\"1.2\"]}]}]", false},
		{"compare: [{axis: edge.tls.version, values: [\"1.2\"]}]", true},
		{"compare: [{axis: edge.tls.version, values: [1.2]}]", false},
		{"compare: [{axis: edge.tls.verson, values: [\"1.2\"]}]", false},
		{"compare: [{axis: workload.trials, values: [1]}]", false},
		{"compare: [{axis: origin.strategies, values: [[], [mtls]]}]", true},
		{"compare: [{axis: auth, values: [{name: a, set: {origin.strategies: []}}, {name: b}]}]", true},
		{"compare: [{axis: auth, values: [{name: a, set: {origin.strategy: []}}]}]", false},
		{"compare: [{axis: auth, values: [a, b]}]", false},
		{"compare: [{axis: auth}]", false},
	}
	for _, test := range tests {
		content := "version: 1\n" + test.content
		err := validate(t, schema, []byte(content))
		if (err == nil) != test.fits {
			t.Errorf("schema: %s: %v", test.content, err)
		}
		if _, err := load(t, test.content); (err == nil) != test.fits {
			t.Errorf("load: %s: %v", test.content, err)
		}
	}
}

// TestEveryFieldIsExplained: an editor shows doc on hover.
func TestEveryFieldIsExplained(t *testing.T) {
	b, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range Paths(false) {
		f, ok := settingNamed(path)
		if !ok || len(f.doc) < 20 || !strings.HasSuffix(f.doc, ".") {
			t.Errorf("%s is explained as %q", path, f.doc)
		}
		if !bytes.Contains(b, []byte(`"`+path+`": {`)) {
			t.Errorf("%s is not in the schema", path)
		}
	}
	if bytes.Contains(b, []byte(`"default": null`)) || bytes.Contains(b, []byte(`"default": ""`)) {
		t.Error("the schema has an empty default")
	}
}
