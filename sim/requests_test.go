package sim

import (
	"strings"
	"testing"
)

const numberedScenario = `
version: 1
name: counted
origin: {response: {size: 100B}, audit: "off"}
edge: {cache: {capacity: 64KiB, policy: POLICY}}
workload: {mode: requests, objects: {model: zipf, count: 500}, warmupRequests: 200, requests: 1000, duration: 1m, controls: false}
`

// A number of requests is made whatever the time, and what is counted is the
// same in every run of a seed.
func TestCountedRequestsRepeat(t *testing.T) {
	for _, policy := range []string{"lru", "fifo", "sieve", "s3fifo"} {
		text := strings.ReplaceAll(numberedScenario, "POLICY", policy)
		first, second := mustRun(t, compileText(t, text)).Arms[0].Metrics, mustRun(t, compileText(t, text)).Arms[0].Metrics
		if n := first["requests.count"].Value; n != 1000 {
			t.Errorf("%s: %v requests", policy, n)
		}
		for _, name := range []string{"origin.requests", "cache.hit.ratio", "cache.objects", "cache.evicted", "origin.bytes"} {
			if a, b := first[name].Value, second[name].Value; a != b || a == 0 {
				t.Errorf("%s: %s is %v, then %v", policy, name, a, b)
			}
		}
	}
}

// An arm that is too slow for its requests fails, and says what to do.
func TestCountedRequestsInTime(t *testing.T) {
	text := strings.NewReplacer("POLICY", "lru", "requests: 1000", "requests: 10000000", "duration: 1m", "duration: 350ms").Replace(numberedScenario)
	result, err := Run(t.Context(), compileText(t, text), testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := result.Arms[0].Error; !strings.Contains(got, "of 10000000 requests were made in 0.35s: raise workload.duration") {
		t.Errorf("the arm says %q", got)
	}
}
