package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// vectors are committed documents of version 1. They are never regenerated:
// whatever this package becomes, it must read them.
func vectors(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.result.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %d vectors (%v), want at least 3", len(files), err)
	}
	return files
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decoded(t testing.TB, file string) *Result {
	t.Helper()
	r, err := Decode(bytes.NewReader(read(t, file)))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return r
}

func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("result.schema.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("result.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validates(t testing.TB, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(document)
}

func TestVectorsSurviveARoundTrip(t *testing.T) {
	s := compiled(t)
	for _, file := range vectors(t) {
		text := read(t, file)
		var out bytes.Buffer
		if err := Encode(&out, decoded(t, file)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if !bytes.Equal(out.Bytes(), text) {
			t.Errorf("%s: decoding and encoding changed it", file)
		}
		if err := validates(t, s, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !bytes.HasPrefix(text, []byte("{\n  \"schema\": \"originpull.results/v1\",\n")) {
			t.Errorf("%s does not start with its schema", file)
		}
	}
}

func TestQuickstartVectorSaysWhatItSaid(t *testing.T) {
	r := decoded(t, "testdata/quickstart.result.json")
	arm := r.Arm("handshake/edge.tls.version=1.3,auth=mtls")
	if arm == nil || arm.Metrics["handshake.rtts"].Value != 1 || arm.Metrics["handshake.rtts"].Unit != "rtt" || len(arm.Trials) != 8 {
		t.Fatalf("arm %+v", arm)
	}
	h, err := DecodeHistogram(arm.Histograms["firstbyte"])
	if err != nil {
		t.Fatal(err)
	}
	if got := Percentiles("firstbyte", h)["firstbyte.p99"]; got != arm.Metrics["firstbyte.p99"] {
		t.Errorf("histogram gives %+v, document says %+v", got, arm.Metrics["firstbyte.p99"])
	}
	if len(r.Bypass) != 252 || len(r.Pairs) != 16 || r.Conclude() != Passed {
		t.Errorf("%d rows, %d pairs, %s", len(r.Bypass), len(r.Pairs), r.Conclude())
	}
	for _, p := range r.Pairs {
		// The build that wrote it did not trim.
		if i := MeanInterval(p.Estimates, Confidence); math.Abs(math.Exp(i.Mean)-p.Ratio) > 1e-9 || math.Abs(math.Exp(i.Low)-p.Low) > 1e-9 {
			t.Errorf("%s ÷ %s: estimates give %+v, document says %+v", p.A, p.B, i, p)
		}
	}
}

func TestEmptyResultEncodesAndValidates(t *testing.T) {
	var out bytes.Buffer
	r := &Result{Arms: []Arm{{Name: "a", Role: RoleArm, Trials: []Trial{{Index: 1}}}, {Name: "b", Role: RoleArm}}, Pairs: []Pair{{A: "a", B: "b", Metric: "reuse.ratio", Role: PairAxis, Ratio: 1}}}
	if err := Encode(&out, r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "null") {
		t.Errorf("a null stands where a list should:\n%s", out.String())
	}
	if err := validates(t, compiled(t), out.Bytes()); err != nil {
		t.Error(err)
	}
	if r.Schema != "" || r.Pairs[0].Estimates != nil || r.Arms[0].Trials[0].Metrics != nil {
		t.Error("Encode changed what it was given")
	}
}

// set replaces one field of a JSON document; "-" removes it.
func set(t *testing.T, text []byte, path string, value any) []byte {
	t.Helper()
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	at := document
	keys := strings.Split(path, "/")
	for i, key := range keys {
		if list, ok := at.([]any); ok {
			at = list[0]
		}
		fields, ok := at.(map[string]any)
		if !ok {
			t.Fatalf("%s: nothing at %s", path, key)
		}
		switch {
		case i < len(keys)-1:
			at = fields[key]
		case value == "-":
			delete(fields, key)
		default:
			fields[key] = value
		}
	}
	out, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSchemaRefusesBrokenDocuments(t *testing.T) {
	s := compiled(t)
	text := read(t, "testdata/quickstart.result.json")
	for path, value := range map[string]any{
		"schema": "originpull.results/v2", "scenario": "-", "scenario/seed": -1, "scenario/digest": "-", "started": "yesterday", "elapsed": "46 s",
		"complete": "yes", "experiments/kind": "nap", "arms/name": "", "arms/role": "extra", "arms/metrics": []any{}, "arms/metrics/handshake.rtts/unit": "-",
		"arms/metrics/handshake.rtts/kind": "guess", "arms/metrics/handshake.rtts/value": "1", "arms/metrics/handshake.rtts/n": -1, "arms/trials/index": 0,
		"arms/histograms/firstbyte": "no base64!", "pairs/ratio": 0, "pairs/role": "", "pairs/estimates": []any{"x"}, "bypass/case": "", "bypass/legs/after": "-",
		"bypass/status": 1000, "bypass/ok": nil, "expectations/pass": "-", "validity": "-", "validity/aa": []any{}, "validity/aa/handshake/handshake.cpu.edge/n": 1.5,
		"validity/warnings": "none", "validity/reconciliation/connects": -1, "environment/cores": 2, "plan": "x",
	} {
		if err := validates(t, s, set(t, text, path, value)); err == nil {
			t.Errorf("%s = %v validates", path, value)
		}
	}
}

func TestVersionOneStaysAdditive(t *testing.T) {
	s := compiled(t)
	text := read(t, "testdata/quickstart.result.json")
	for path, value := range map[string]any{"weather": "fine", "arms/colour": 1, "bypass/measured": "throttled", "validity/moon": true, "arms/metrics/handshake.rtts/p": 1} {
		changed := set(t, text, path, value)
		if strings.HasPrefix(path, "bypass") {
			changed = set(t, changed, "bypass/ok", false)
		}
		if err := validates(t, s, changed); err != nil {
			t.Errorf("%s = %v: %v", path, value, err)
		}
		if _, err := Decode(bytes.NewReader(changed)); err != nil {
			t.Errorf("%s = %v: %v", path, value, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	text := read(t, "testdata/interrupted.result.json")
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"nothing":        {nil, "not a result: the file is empty"},
		"cut off":        {text[:len(text)/2], "the result is cut off: its JSON ends unfinished at byte "},
		"two documents":  {append(bytes.Clone(text), text...), "not a result: invalid JSON at byte "},
		"no JSON":        {[]byte("results:\n  - 1\n"), "not a result: invalid JSON at byte 1"},
		"a list":         {[]byte("[]"), "not a result: the document is a JSON array, want an object"},
		"null":           {[]byte("null"), `not a result: it has no field "schema"`},
		"other JSON":     {[]byte(`{"a": 1}`), `not a result: it has no field "schema"`},
		"other schema":   {[]byte(`{"schema": "k6/v1"}`), `not a result: its schema is "k6/v1", want "originpull.results/v1"`},
		"later version":  {[]byte(`{"schema": "originpull.results/v2"}`), `use the version that wrote it`},
		"wrong type":     {set(t, text, "arms/name", 7), "not a result: field arms.name holds a JSON number, want string"},
		"edited unit":    {set(t, text, "arms/metrics/handshake.rtts/unit", "ms"), `handshake.rtts: unit is "ms", want "rtt"`},
		"unknown role":   {set(t, text, "arms/role", "extra"), `role is "extra", want arm, baseline or aa`},
		"missing arm":    {set(t, text, "pairs/b", "gone"), `there is no arm "gone"`},
		"contradiction":  {set(t, text, "validity/valid", true), "validity.valid is true although the run was not reconciled"},
		"no name":        {set(t, text, "arms/name", ""), "arms[0] has no name"},
		"turned bounds":  {set(t, text, "arms/metrics/handshake.rtts/low", 9), "low 9 is above high"},
		"number too big": {bytes.Replace(text, []byte(`"elapsed": 9.42`), []byte(`"elapsed": 1e999`), 1), "field elapsed holds a JSON number 1e999"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Decode(bytes.NewReader(c.text))
			if err == nil || r != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := Decode(broken{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v, want the reader's own", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, os.ErrClosed }
func (broken) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestEncodeRefusesWhatCannotBeHeld(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Result)
		want   string
	}{
		"NaN":               {func(r *Result) { r.Arms[0].Metrics["reuse.ratio"] = NewValue("reuse.ratio", math.NaN(), 1) }, "reuse.ratio: NaN is not a number"},
		"infinity":          {func(r *Result) { r.Pairs[0].High = math.Inf(1) }, "pairs[0] handshake.cpu.edge: +Inf is not a number"},
		"trial":             {func(r *Result) { r.Arms[0].Trials[0].Metrics["x"] = math.Inf(-1) }, "trial 1: x: -Inf is not a number"},
		"A/A":               {func(r *Result) { r.Validity.AA = map[string]map[string]Estimate{"e": {"m": {Ratio: math.NaN()}}} }, "validity.aa e m: NaN"},
		"same name":         {func(r *Result) { r.Arms[1].Name = r.Arms[0].Name }, "the name is taken"},
		"same experiment":   {func(r *Result) { r.Experiments[1].Name = r.Experiments[0].Name }, `the name "handshake" is taken`},
		"resolved by faith": {func(r *Result) { r.Pairs[0].Estimates, r.Pairs[0].Resolved = nil, true }, "is resolved without an interval"},
		"ok against itself": {func(r *Result) {
			r.Bypass = []BypassRow{{Case: "A01", Strategy: "mtls", Predicted: VerdictBlocked, Measured: VerdictBypassed, OK: true}}
		}, `A01 is ok although "blocked" was predicted and "bypassed" measured`},
		"ok without running": {func(r *Result) {
			r.Bypass = []BypassRow{{Case: "A01", Strategy: "mtls", Predicted: VerdictNotRun, Measured: VerdictNotRun, OK: true}}
		}, "A01 is ok although"},
		"false tally": {func(r *Result) {
			r.Validity.Reconciled, r.Validity.Tallies = true, []Tally{{Arm: "a", Connects: 2, Handshakes: 1}}
		}, "a has 2 connects and 1 handshakes"},
		"two minds": {func(r *Result) { r.Expectations[0].Inconclusive = true }, "expectations[0] is both passed and inconclusive"},
	} {
		t.Run(name, func(t *testing.T) {
			r := decoded(t, "testdata/interrupted.result.json")
			c.change(r)
			var out bytes.Buffer
			err := Encode(&out, r)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if out.Len() != 0 {
				t.Errorf("%d bytes were written", out.Len())
			}
		})
	}
	if err := Encode(broken{}, &Result{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v, want the writer's own", err)
	}
}

func FuzzDecode(f *testing.F) {
	// Small seeds: minimising a whole vector would take the time of the fuzzing.
	f.Add([]byte(`{"schema":"originpull.results/v1","scenario":{"name":"n","digest":"d","seed":1},"plan":{},"started":"2026-11-22T19:34:05Z","elapsed":1,"complete":true,
		"experiments":[{"name":"h","kind":"bypass","rows":1,"plannedSeconds":1}],
		"arms":[{"name":"h/x=y","experiment":"h","role":"aa","doubles":"z","axes":{"x":"y"},"metrics":{"reuse.ratio":{"value":1,"unit":"ratio","kind":"ratio","better":"higher","low":0,"high":1,"n":1}},
		"trials":[{"index":1,"complete":true,"metrics":{"reuse.ratio":1}}]}],
		"pairs":[{"a":"h/x=y","b":"h/x=y","metric":"reuse.ratio","role":"aa","estimates":[0,0.1],"ratio":1,"low":0.9,"high":1.1,"resolved":true}],
		"bypass":[{"experiment":"h","case":"A01","predicted":"blocked","measured":"blocked","legs":{"before":true,"after":true},"ok":true}],
		"expectations":[{"expression":"reuse.ratio > 0","pass":true,"value":1}],
		"validity":{"valid":true,"reconciled":true,"aa":{"h":{"reuse.ratio":{"ratio":1,"low":1,"high":1,"n":2}}},"generator":{"h/x=y":{"late":true}},"links":{"h/x=y":"late"},"reconciliation":[{"arm":"a","connects":1,"handshakes":1}]}}`))
	f.Add([]byte(`{"schema":"originpull.results/v1"}`))
	f.Add([]byte(`{"schema":"originpull.results/v1","arms":[{"name":"a","role":"arm","histograms":{"latency":"HISTEwAAAAA="}}]}`))
	f.Add([]byte(`{"schema":"originpull.results/v1","elapsed":1e308,"plan":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Decode(bytes.NewReader(text))
		if err != nil {
			return
		}
		r.Conclude()
		for _, a := range r.Arms {
			for _, h := range a.Histograms {
				if _, err := DecodeHistogram(h); err != nil {
					continue
				}
			}
		}
		var once, twice bytes.Buffer
		if err := Encode(&once, r); err != nil {
			t.Fatalf("decoded and not encodable: %v", err)
		}
		again, err := Decode(bytes.NewReader(once.Bytes()))
		if err != nil {
			t.Fatalf("encoded and not decodable: %v", err)
		}
		if err := Encode(&twice, again); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatalf("encoding is not stable: %v", err)
		}
	})
}
