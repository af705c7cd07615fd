package scenarios

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func loadPops(text string) (*Scenario, error) {
	return Load(Source{File: "x.yaml", Content: []byte("version: 1\nedge:\n  pops: " + text + "\n")})
}

func TestPopsAreANumberOrAList(t *testing.T) {
	s, err := loadPops("[{name: fra, rtt: 8ms}, {name: syd, rtt: 280ms}]")
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Edge.Pops; p.Count != 2 || p.Named[1] != (Pop{"syd", 280e6}) || s.Link.Kind != "netstack" {
		t.Errorf("%+v over %s", p, s.Link.Kind)
	}
	if want := []time.Duration{8e6, 280e6}; !slices.Equal(s.Distances(), want) {
		t.Errorf("distances %v", s.Distances())
	}
	if v, _ := s.Value("edge.pops"); v != "fra:8ms+syd:280ms" {
		t.Errorf("shown as %s", v)
	}
	if s, err = loadPops("64"); err != nil || s.Edge.Pops.Count != 64 || s.Link.Kind != "direct" || len(s.Distances()) != 1 {
		t.Errorf("%+v, %v", s.Edge.Pops, err)
	}
	for _, text := range []string{"64", `[{"name":"fra","rtt":"8ms"}]`} {
		var p Pops
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		if back, err := json.Marshal(p); err != nil || string(back) != text {
			t.Errorf("%s became %s, %v", text, back, err)
		}
	}
}

func TestWrongPopsAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"0":     "x.yaml:3: edge.pops: 0 is less than 1; choose a value from 1 to 1000",
		"1001":  "x.yaml:3: edge.pops: 1001 is more than 1000",
		"[]":    "x.yaml:3: edge.pops: is an empty list",
		"many":  "x.yaml:3: edge.pops: the text \"many\" stands here, but a whole number is expected",
		"[8ms]": "x.yaml:3: edge.pops[0]: the text",
		"[{name: a, rtt: 1ms}, {name: a, rtt: 2ms}]": "x.yaml:3: edge.pops[1]: \"a\" stands twice",
		"[{name: a}]":           "x.yaml:3: edge.pops[0].rtt: is missing",
		"[{name: a, rtt: 11s}]": "x.yaml:3: edge.pops[0].rtt: 11s is more than 10s",
	} {
		if _, err := loadPops(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
