package edge

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPresets ranges over every preset: each says of every setting that it is
// about either a value or that nobody knows, and where that is from. That the
// paths are settings, and the values fit, is tested where the scenario
// document is known: cmd/originpull.
func TestPresets(t *testing.T) {
	var names []string
	date := regexp.MustCompile(`^20\d\d(-(0[1-9]|1[0-2]))?$`)
	for _, p := range Presets() {
		names = append(names, p.Name)
		if p.Title == "" {
			t.Errorf("%s has no title", p.Name)
		}
		for _, f := range p.Facts {
			if f.Source == "" || !date.MatchString(f.Date) {
				t.Errorf("%s: %s: source %q, date %q", p.Name, f.Path, f.Source, f.Date)
			}
			if (f.Value == "") != (f.Confidence == Unknown) || !slices.Contains([]Confidence{Documented, Measured, Inferred, Unknown}, f.Confidence) {
				t.Errorf("%s: %s: value %q, confidence %q", p.Name, f.Path, f.Value, f.Confidence)
			}
		}
		for _, path := range said() {
			if _, ok := p.Fact(path); !ok {
				t.Errorf("%s is silent on %s: write its value, or unknown", p.Name, path)
			}
		}
		again, ok := PresetNamed(p.Name)
		if !ok || again.Title != p.Title {
			t.Errorf("%s is not found by its name", p.Name)
		}
	}
	want := "akamai azure-fd cloudflare cloudfront fastly gcp-alb media-cdn"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("presets %s instead of %s", got, want)
	}
	if _, ok := PresetNamed("none"); ok {
		t.Error("none is a preset")
	}
}

// said is what every preset speaks of.
func said() []string {
	paths := []string{
		"edge.protocol", "edge.pool.idleTimeout", "edge.pool.maxConnections", "edge.pool.maxAge", "edge.pool.maxUses",
		"edge.pool.scope", "edge.pool.order", "edge.pool.prewarm", "edge.pool.maxWaiting", "edge.pool.waitTimeout",
		"edge.pool.retries.attempts", "edge.pool.retries.methods", "edge.pool.circuit.failures",
		"edge.tls.version", "edge.tls.group", "edge.tls.resumption", "edge.tls.verify", "edge.tls.unasked", "edge.identity",
		"edge.retry.attempts", "edge.retry.on", "edge.retry.connectTimeout", "edge.retry.responseTimeout", "edge.retry.budget",
	}
	for _, phase := range Phases() {
		paths = append(paths, "edge.status."+string(phase))
	}
	return paths
}

// TestPresetFacts holds some values to what the sources say.
func TestPresetFacts(t *testing.T) {
	for _, c := range []struct{ preset, path, value, behaviour string }{
		{"cloudfront", "edge.pool.idleTimeout", "5s", ""},
		{"cloudfront", "edge.retry.attempts", "3", ""},
		{"cloudfront", "edge.status.alert", "502", ""},
		{"cloudfront", "edge.refuses", "[grpc, websocket]", "refuses-grpc, refuses-websocket"},
		{"cloudflare", "edge.pool.idleTimeout", "900s", ""},
		{"cloudflare", "edge.identity", "global", ""},
		{"cloudflare", "edge.status.alert", "525", ""},
		{"cloudflare", "edge.status.verify", "526", ""},
		{"fastly", "edge.pool.maxConnections", "200", ""},
		{"fastly", "edge.pool.idleTimeout", "", ""},
		{"fastly", "edge.pool.maxAge", "0s", ""},
		{"fastly", "edge.pool.maxUses", "0", ""},
		{"cloudflare", "edge.pool.maxAge", "0s", ""},
		{"cloudflare", "edge.pool.scope", "server", ""},
		{"cloudflare", "edge.pool.prewarm", "0", ""},
		{"cloudfront", "edge.pool.scope", "", ""},
		{"gcp-alb", "edge.pool.scope", "server", ""},
		{"akamai", "edge.tls.unasked", "continue", "continues-without-mtls"},
		{"gcp-alb", "edge.tls.verify", "false", "accepts-any-origin-certificate"},
		{"media-cdn", "edge.retry.budget", "15s", ""},
		{"azure-fd", "edge.pool.idleTimeout", "", ""},
	} {
		p, _ := PresetNamed(c.preset)
		if f, ok := p.Fact(c.path); !ok || f.Value != c.value || f.Behaviour != c.behaviour {
			t.Errorf("%s: %s is %+v", c.preset, c.path, f)
		}
	}
}

// FuzzReadPreset: what reads is whole, whatever the bytes.
func FuzzReadPreset(f *testing.F) {
	for _, p := range Presets() {
		content, err := presetFiles.ReadFile("presets/" + p.Name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := readPreset(content)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, fact := range p.Facts {
			if seen[fact.Path] || fact.Source == "" || fact.Date == "" || (fact.Value == "") != (fact.Confidence == Unknown) {
				t.Errorf("%+v", fact)
			}
			seen[fact.Path] = true
		}
	})
}

func TestPresetIsReadStrictly(t *testing.T) {
	const head = "name: x\ntitle: X\nsources: {a: {document: d, date: \"2026\"}, b: {document: d}}\n"
	for _, c := range []struct{ text, want string }{
		{"values: [{path: p, value: 5s, source: a, confidence: documented}]", ""},
		{"values: [{path: p, value: unknown, source: a}]", ""},
		{"value: []", "field value not found"},
		{"values: [{path: p, value: 5s, source: c, confidence: documented}]", `source "c"`},
		{"values: [{path: p, value: 5s, source: b, confidence: documented}]", `source "b"`},
		{"values: [{path: p, value: 5s, source: a}]", `confidence ""`},
		{"values: [{path: p, value: 5s, source: a, confidence: certain}]", `confidence "certain"`},
		{"values: [{path: p, value: unknown, source: a, confidence: documented}]", "needs no confidence"},
		{"values: [{path: p, source: a, confidence: documented}]", "has no value"},
		{"values: [{path: p, value: unknown, source: a}, {path: p, value: unknown, source: a}]", "p: stands twice"},
		{"status: {dns: {value: \"502\", source: a, confidence: documented}}", `unknown phase "dns"`},
		{"status: {wait: {value: bad, source: a, confidence: documented}}", `"bad" is no number`},
		{"behaviours: [{name: is-slow, source: a, confidence: documented}]", `behaviour "is-slow"`},
		{"values: [{path: edge.refuses, value: unknown, source: a}]\nbehaviours: [{name: refuses-grpc, source: a, confidence: documented}]", "edge.refuses: stands twice"},
		{"behaviours: [{name: refuses-grpc, value: yes, source: a, confidence: documented}]", "has no value"},
	} {
		_, err := readPreset([]byte(head + c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}
