package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

// testPresets: near knows everything, far leaves much open.
var testPresets = []Preset{
	{"near", []PresetValue{
		{Path: "edge.pool.idleTimeout", Value: "7s"},
		{Path: "edge.pool.maxConnections", Value: "9"},
		{Path: "edge.tls.version", Value: "1.2"},
		{Path: "edge.refuses", Value: "[grpc, websocket]"},
		{Path: "edge.status.alert", Value: "502"},
		{Path: "edge.pool.colour", Value: "red"}, // no such setting: a note
	}},
	{"far", []PresetValue{
		{Path: "edge.pool.idleTimeout", Unknown: true},
		{Path: "edge.pool.maxConnections", Unknown: true},
		{Path: "edge.tls.group", Unknown: true},
		{Path: "edge.protocol", Value: "h9"},
		{Path: "edge.retry.attempts", Unknown: true},
		{Path: "edge.identity", Unknown: true},
	}},
}

func loadWithPresets(content string, set ...string) (*Scenario, error) {
	return Load(Source{File: "x.yaml", Content: []byte("version: 1\n" + content), Set: set, Presets: testPresets})
}

// TestPresetLiesBelowWhatIsWritten goes through the layers: the preset is
// above the default and below every other, wherever it is named.
func TestPresetLiesBelowWhatIsWritten(t *testing.T) {
	const axis = "compare: [{axis: edge.preset, values: [none, near]}]"
	tests := []struct {
		content string
		set     []string
		want    []string // the idle timeout of each arm
	}{
		{"name: a", nil, []string{"5s"}},
		{"edge: {preset: none}", nil, []string{"5s"}},
		{"edge: {preset: near}", nil, []string{"7s"}},
		{"edge: {preset: near, pool: {idleTimeout: 3s}}", nil, []string{"3s"}},
		{"edge: {preset: near, pool: {idleTimeout: 5s}}", nil, []string{"5s"}}, // written, though it is the default
		{"edge: {preset: near, pool: {reuse: true}}", nil, []string{"7s"}},     // the group is written, the setting is not
		{"name: a", []string{"edge.preset=near"}, []string{"7s"}},
		{"edge: {preset: near}", []string{"edge.pool.idleTimeout=2s"}, []string{"2s"}},
		{"edge: {preset: near}\nexperiments: [{name: e}]", nil, []string{"7s"}},
		{"experiments: [{name: e, edge: {preset: near}}]", nil, []string{"7s"}},
		{"edge: {pool: {idleTimeout: 3s}}\nexperiments: [{name: e, edge: {preset: near}}]", nil, []string{"3s"}},
		{"edge: {preset: near}\nexperiments: [{name: e, edge: {pool: {idleTimeout: 4s}}}]", nil, []string{"4s"}},
		{"edge: {preset: near}\nexperiments: [{name: e, edge: {preset: none}}]", nil, []string{"5s"}},
		{axis, nil, []string{"5s", "7s"}},
		{axis + "\nedge: {pool: {idleTimeout: 3s}}", nil, []string{"3s", "3s"}},
		{axis, []string{"edge.pool.idleTimeout=2s"}, []string{"2s", "2s"}},
		{"compare: [{axis: cdn, values: [{name: a, set: {edge.preset: near}}, {name: b, set: {edge.preset: near, edge.pool.idleTimeout: 1s}}]}]", nil, []string{"7s", "1s"}},
		{"edge: {preset: near}\ncompare: [{axis: edge.pool.idleTimeout, values: [1s, 2s]}]", nil, []string{"1s", "2s"}},
	}
	for _, test := range tests {
		s, err := loadWithPresets(test.content, test.set...)
		if err != nil {
			t.Errorf("%s %v: %v", test.content, test.set, err)
			continue
		}
		var got []string
		for _, cell := range s.Experiments[0].Cells() {
			got = append(got, cell.Edge.Pool.IdleTimeout.String())
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s %v: %v instead of %v", test.content, test.set, got, test.want)
		}
	}
}

func TestPresetSetsEveryKindOfValue(t *testing.T) {
	s, err := loadWithPresets("edge: {preset: near}\nexperiments: [{name: e}]")
	if err != nil {
		t.Fatal(err)
	}
	for _, settings := range []Settings{s.Settings, s.Experiments[0].Settings, s.Experiments[0].Cells()[0].Settings} {
		e := settings.Edge
		if e.Pool.MaxConnections != 9 || e.TLS.Version != "1.2" || fmt.Sprint(e.Refuses) != "[grpc websocket]" || e.Status.Alert != 502 {
			t.Errorf("got %+v", e)
		}
	}
}

// TestWhatNobodyDocumentsIsToBeSet: each scenario depends on what is named,
// and on nothing else.
func TestWhatNobodyDocumentsIsToBeSet(t *testing.T) {
	const (
		idle     = "preset far: nobody documents edge.pool.idleTimeout: set it"
		most     = "preset far: nobody documents edge.pool.maxConnections: set it"
		group    = "preset far: nobody documents edge.tls.group: set it"
		identity = "preset far: nobody documents edge.identity: set it"
		protocol = "preset far: its edge.protocol, h9, is not simulated yet: set it"
	)
	tests := []struct {
		content string
		want    []string
	}{
		{"edge: {preset: far}", []string{idle, protocol, identity}},
		{"edge: {preset: far, identity: own}", []string{idle, protocol}},
		{"edge: {preset: far}\norigin: {strategies: []}", []string{idle, protocol}},
		{"edge: {preset: far, identity: own, protocol: h1, pool: {reuse: false}}", nil},
		{"edge: {preset: far, identity: own, protocol: h1, pool: {idleTimeout: 1s}}", nil},
		{"edge: {preset: far, identity: own, protocol: h1, pool: {idleTimeout: 1s}}\nworkload: {concurrency: 65}", []string{most}},
		{"edge: {preset: far, identity: own, protocol: h1, pool: {idleTimeout: 1s}}\nworkload: {arrivals: {model: poisson, rate: 5/s}}", []string{most}},
		{"edge: {preset: far, identity: own, protocol: h1}\nworkload: {mode: handshakes}", []string{group}},
		{"edge: {preset: far, identity: own, protocol: h1}\nworkload: {mode: handshakes}\ncompare: [{axis: edge.tls.group, values: [p256]}]", nil},
		{"edge: {preset: near}\nworkload: {mode: handshakes}", nil},
	}
	for _, test := range tests {
		_, err := loadWithPresets(test.content)
		var want []string
		for _, message := range test.want {
			want = append(want, "x.yaml:2: edge.preset: "+message)
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != strings.Join(want, "\n") {
			t.Errorf("%s:\ngot  %s\nwant %s", test.content, got, strings.Join(want, "\n"))
		}
	}
}

// TestPresetProblemsHavePlaces: a preset's problem stands where it is named,
// once, however many arms have it.
func TestPresetProblemsHavePlaces(t *testing.T) {
	const quiet = "origin: {strategies: []}\nedge: {protocol: h1, pool: {reuse: true}}\n"
	tests := []struct{ content, set, want string }{
		{"edge:\n  preset: neer", "", "x.yaml:3: edge.preset: \"neer\" is not known; did you mean near? Known: none, near, far"},
		{"edge: {preset: 5}", "", `x.yaml:2: edge.preset: the number 5 stands here, but text is expected; put it in quotes: "5"`},
		{quiet + "experiments:\n  - name: e\n    edge: {preset: far}", "", "x.yaml:6: experiments[0].edge.preset: preset far: nobody documents edge.pool.idleTimeout: set it"},
		{quiet + "compare:\n  - {axis: edge.preset, values: [near, far]}\n  - {axis: origin.tickets, values: [true, false]}", "", "x.yaml:5: compare[0].values[1]: preset far: nobody documents edge.pool.idleTimeout: set it"},
		{
			quiet + "experiments: [{name: a}, {name: b}]", "edge.preset=far",
			"--set edge.preset=far: experiments[0].edge.preset: preset far: nobody documents edge.pool.idleTimeout: set it\n" +
				"--set edge.preset=far: experiments[1].edge.preset: preset far: nobody documents edge.pool.idleTimeout: set it",
		},
		{"edge: {preset: far}\nbypass: {cases: [A01]}", "", ""},
	}
	for _, test := range tests {
		var set []string
		if test.set != "" {
			set = []string{test.set}
		}
		got := ""
		if _, err := loadWithPresets(test.content, set...); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.content, got, test.want)
		}
	}
}

func TestPresetIsPartOfTheDigest(t *testing.T) {
	digests := map[string]string{}
	for _, content := range []string{"edge: {preset: none}", "edge: {preset: near}", "edge: {preset: near, pool: {idleTimeout: 1s}}"} {
		s, err := loadWithPresets(content)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := digests[s.Digest]; twice {
			t.Errorf("%s and %s have one digest", content, other)
		}
		digests[s.Digest] = content
	}
}

// TestDependencesAreSettings holds the table to the document.
func TestDependencesAreSettings(t *testing.T) {
	for _, path := range Dependences() {
		if has, _ := (PresetValue{Path: path, Unknown: true}).Fits(); !has {
			t.Errorf("%s is no setting", path)
		}
	}
	for _, v := range testPresets[0].Values[:5] {
		if has, takes := v.Fits(); !has || !takes {
			t.Errorf("%+v does not fit", v)
		}
	}
	if has, _ := testPresets[0].Values[5].Fits(); has {
		t.Error("edge.pool.colour is a setting")
	}
	if has, takes := testPresets[1].Values[3].Fits(); !has || takes {
		t.Error("edge.protocol takes h9")
	}
	if has, _ := (PresetValue{Path: "edge.pool", Value: "{}"}).Fits(); has {
		t.Error("a group is a setting")
	}
}
