package scenarios

import (
	"slices"
	"strings"
	"testing"
)

func TestTraces(t *testing.T) {
	setting, _ := settingNamed("workload.objects.trace")
	if doc := setting.doc; !strings.Contains(doc, strings.Join(Traces(), ", ")) || slices.ContainsFunc(Traces(), IsTraceFile) {
		t.Errorf("traces are %v, but the document says %s", Traces(), doc)
	}
	for _, name := range Traces() {
		keys, err := TraceKeys(name)
		if err != nil || len(keys) != traceLengths[name] {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
		distinct := map[uint32]bool{}
		for _, key := range keys {
			distinct[key] = true
		}
		if len(distinct) < 1000 || len(distinct) == len(keys) {
			t.Errorf("%s: %d different keys do not look like a trace", name, len(distinct))
		}
	}
	if _, err := TraceKeys("web7"); err == nil || err.Error() != `trace "web7" is not known; did you mean web07? Known: web07, web12` {
		t.Errorf("got %v", err)
	}
	packed, err := traceFiles.ReadFile("traces/web07.trace.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int{76117, 76119} {
		if _, err := decodeTrace(packed, length); err == nil {
			t.Errorf("the trace passes for %d keys", length)
		}
	}
	if _, err := decodeTrace(packed[:1000], 76118); err == nil {
		t.Error("a truncated trace passes")
	}
	if _, err := decodeTrace([]byte("no gzip"), 1); err == nil {
		t.Error("rubbish passes")
	}
}
