package sim

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

const originsScenario = `
version: 1
name: small
edge: {cache: {capacity: 0}}
origin: {strategies: [mtls]}
origins:
  - {name: api, match: {path: /api/*}, share: 0.25, origin: {strategies: [header], header: {name: X-Api-Secret}}, edge: {tls: {version: "1.2"}, protocol: h1}}
  - {name: static, match: {host: "*.static.example"}, origin: {mtls: {pin: leaf}}, edge: {protocol: h2}}
  - {name: both, match: {path: /both/*, host: www.example}, origin: {strategies: [allowlist, header, mtls]}}
  - {name: rest, share: 0.25, origin: {certificate: {key: ecdsa-p384}}}
experiments:
  - name: p
    workload: {mode: requests, requests: 800, trials: 2, controls: false}
    expect:
      - "origin.foreign == 0"
      - "requests.failed{origin=api} == 0"
      - "connect.count{origin!=api} == 2"
`

// auditOf reads the audit log of one of several origins.
func auditOf(t *testing.T, folder, arm string) []origin.Entry {
	t.Helper()
	file, err := os.Open(filepath.Join(folder, "audit", fileStem(arm)+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	entries, err := origin.ReadAudit(file)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// TestSeveralOrigins: by the origins' own logs each saw its own requests alone,
// in the name of its own edge, and all counts of both ends agree.
func TestSeveralOrigins(t *testing.T) {
	plan, cfg := compileText(t, originsScenario), testConfig(t)
	result, err := Run(t.Context(), plan, cfg)
	if err != nil {
		t.Fatal(err)
	}
	a := result.Arm("p")
	if a.Error != "" || !result.Validity.Valid || !result.Validity.Reconciled || len(result.Validity.Warnings) > 0 || len(result.Validity.Tallies) != 4 {
		t.Fatalf("%s, %+v", a.Error, result.Validity)
	}
	for _, e := range result.Expectations {
		if !e.Pass {
			t.Errorf("%+v", e)
		}
	}
	serials, requests := map[string]string{}, 0.0
	for i, want := range []struct{ name, host, below, san, tls, protocol string }{
		{"api", "api.origin.test", "/api/", "", "1.2", ""},
		{"static", "static.origin.test", "/o/", "static.edge.originpull.test", "1.3", "h2"},
		{"both", "both.origin.test", "/both/", "both.edge.originpull.test", "1.3", ""},
		{"rest", "rest.origin.test", "/o/", "rest.edge.originpull.test", "1.3", ""},
	} {
		o := a.Origins[i]
		entries := auditOf(t, cfg.Folder, "p@"+want.name)
		if o.Name != want.name || float64(len(entries)) != o.Metrics["requests.count"].Value || o.Metrics["origin.requests"].Value != float64(len(entries)) {
			t.Errorf("%s: %d requests in its log, %+v", want.name, len(entries), o.Metrics["requests.count"])
		}
		requests += float64(len(entries))
		for _, e := range entries {
			if e.Verdict != origin.Allowed || e.Host != want.host || e.SNI != want.host || !strings.HasPrefix(e.Path, want.below) || e.SAN != want.san || e.TLS != want.tls || e.Protocol != want.protocol || e.Status != 200 {
				t.Fatalf("%s: %+v", want.name, e)
			}
			if of, taken := serials[e.Serial]; e.Serial != "" && taken && of != want.name {
				t.Fatalf("%s and %s were shown one certificate", of, want.name)
			}
			serials[e.Serial] = want.name
		}
		m := o.Metrics
		if m["connect.count"].Value != 2 || m["handshake.full"].Value != 2 || m["pool.connects"].Value != 2 || m["handshake.failed"].Value != 0 || m[results.MetricForeign].Value != 0 || m["latency.p50"].N != len(entries) {
			t.Errorf("%s: %+v", want.name, m)
		}
		if reused := 1 - 2/float64(len(entries)); math.Abs(m["reuse.ratio"].Value-reused) > 1e-9 {
			t.Errorf("%s: reused %v, want %v", want.name, m["reuse.ratio"].Value, reused)
		}
		if o.Labels[results.LabelTLSVersion] != want.tls || o.Labels[results.LabelServer] != builtin {
			t.Errorf("%s: labels %v", want.name, o.Labels)
		}
	}
	if requests != 1600 || a.Metrics["requests.count"].Value != 1600 || a.Metrics["connect.count"].Value != 8 {
		t.Errorf("%v requests in the logs, %+v", requests, a.Metrics["requests.count"])
	}
	for label, want := range map[string]string{results.LabelTLSVersion: "1.2 and 1.3", "protocol": "h1 and h2", results.LabelServer: builtin} {
		if a.Labels[label] != want {
			t.Errorf("label %s is %q, want %q", label, a.Labels[label], want)
		}
	}
	for label := range a.Labels {
		if strings.HasPrefix(label, partPrefix) {
			t.Errorf("label %s", label)
		}
	}
}

// TestLabelsOfSeveralServers: their versions beside their names.
func TestLabelsOfSeveralServers(t *testing.T) {
	of := func(server, version string) results.Origin {
		return results.Origin{Labels: map[string]string{results.LabelServer: server, results.LabelServerVersion: version}}
	}
	a := results.Arm{Labels: map[string]string{}, Origins: []results.Origin{of("nginx", "1.22"), of("builtin", "go1"), of("nginx", "1.22")}}
	if joinLabels(&a); a.Labels[results.LabelServer] != "nginx 1.22 and builtin go1" || a.Labels[results.LabelServerVersion] != "" {
		t.Errorf("%v", a.Labels)
	}
	a.Origins = a.Origins[1:2]
	if joinLabels(&a); a.Labels[results.LabelServer] != "builtin" || a.Labels[results.LabelServerVersion] != "go1" {
		t.Errorf("%v", a.Labels)
	}
}

// TestSeveralOriginsRepeat: a seed asks each origin the same in every run.
func TestSeveralOriginsRepeat(t *testing.T) {
	arm := compileText(t, originsScenario).Experiments[0].Arms[0]
	asked := func() (all []wanted) {
		o, err := newObjects(arm.Settings.Workload.Objects, 5)
		if err != nil {
			t.Fatal(err)
		}
		a := newAsker(o, arm.Settings.Origins, 5)
		for range 4000 {
			all = append(all, a.ask())
		}
		return all
	}
	first, again := asked(), asked()
	counts := make([]float64, 4)
	for i, w := range first {
		if again[i] != w {
			t.Fatalf("request %d: %+v and %+v", i, w, again[i])
		}
		counts[w.origin]++
		for j := range arm.Settings.Origins { // the first that it matches is its own
			if matchOf(&arm.Settings.Origins[j]).Takes(w.host, w.path) {
				if j != w.origin {
					t.Fatalf("%+v is taken by origin %d", w, j)
				}
				break
			}
		}
	}
	for i, n := range counts { // shares of a quarter: ±6 standard deviations
		if math.Abs(n-1000) > 165 {
			t.Errorf("origin %d is asked %v of 4000 times", i, n)
		}
	}
}

func TestDeadRulesAreRefused(t *testing.T) {
	for _, c := range []struct{ origins, want string }{
		{"  - {name: a, match: {path: /a/*}}\n  - {name: b, match: {path: /a/b/*}}\n  - {name: c}\n", "x.yaml:5: origins[1]: b gets no request: a before it takes all that it matches"},
		{"  - {name: a, match: {host: \"*.test\"}}\n  - {name: b, match: {host: b.test, path: /b/*}}\n  - {name: c}\n", "origins[1]: b gets no request"},
		{"  - {name: a, match: {path: /o/*}}\n  - {name: b, match: {host: b.test}}\n  - {name: c, match: {path: /c/*}}\n  - {name: d}\n", "x.yaml:5: origins[1]: the viewers of b ask for b.test/o/0 and so on, which are requests of a before it"},
		{"  - {name: a, match: {path: /o/*}}\n  - {name: b}\n", "x.yaml:5: origins[1]: the viewers of b ask for viewer.invalid/o/0"},
	} {
		for where, text := range map[string]string{"": "version: 1\nname: x\norigins:\n" + c.origins, "experiment": "version: 1\nname: x\norigins:\n" + c.origins + "experiments: [{name: e}]\n"} {
			s, err := scenarios.Load(scenarios.Source{File: "x.yaml", Content: []byte(text)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = Compile(s); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", where, err, c.want)
			}
		}
	}
}

// TestAMixedRequestIsSeen: routed by other rules than the viewers go by, at the
// edge and by the origins' own counts.
func TestAMixedRequestIsSeen(t *testing.T) {
	arm := compileText(t, originsScenario).Experiments[0].Arms[0]
	r := newPullRecorder(arm)
	r.record(pulled{origin: 1, reply: edge.Reply{Origin: 1, Status: 200}})
	if _, err := r.end(); err != nil {
		t.Error(err)
	}
	r.record(pulled{origin: 1, reply: edge.Reply{Origin: 3, Status: 200}})
	if _, err := r.end(); err == nil || err.Error() != "a request for an object of static went to rest" {
		t.Errorf("%v", err)
	}
	for name, c := range map[string]struct {
		counts origin.Counts
		want   int64
	}{
		"none":     {origin.Counts{Requests: 10}, 0},
		"lost":     {origin.Counts{Requests: 9}, 0},
		"too many": {origin.Counts{Requests: 12}, 2},
		"refused":  {origin.Counts{Requests: 10, Denied: 1, Missing: 2}, 3},
	} {
		trial := armTrial{index: 1, edge: &EdgeSummary{}, origin: &origin.Counts{}, origins: make([]origin.Counts, 4)}
		trial.edge.Total.Origins = make([]pool.Stats, 4)
		trial.edge.Total.Origins[2].Requests = 10
		trial.origins[2] = c.counts
		result := &results.Result{Validity: results.Validity{Reconciled: true}}
		(&run{result: result}).reconcile(&arm, &trial)
		if got := trial.hops(&arm)[2].foreign(); got != c.want || result.Validity.Reconciled != (c.want == 0) {
			t.Errorf("%s: %d are foreign, %+v", name, got, result.Validity)
		}
		if c.want > 0 && !strings.Contains(result.Validity.Warnings[0], "p@both, trial 1: ") {
			t.Errorf("%s: %v", name, result.Validity.Warnings)
		}
	}
}

// TestTheWrongCredentialsGetNothing: an edge that showed one origin what belongs
// to another would be refused, so that the counts above prove something.
func TestTheWrongCredentialsGetNothing(t *testing.T) {
	arm := compileText(t, originsScenario).Experiments[0].Arms[0]
	lab, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	secrets, roots := map[string]bool{lab.secret: true}, map[string]bool{}
	for _, part := range arm.parts() {
		set, err := lab.credentials(&part)
		if err != nil {
			t.Fatal(err)
		}
		secrets[set.edge.Secrets[credSecret]], roots[set.origin.Roots[credEdge]] = true, true
		again, err := lab.credentials(&part)
		if err != nil || again.edge.Secrets[credSecret] != set.edge.Secrets[credSecret] || set.edge.Secrets[credSecret] != set.origin.Secrets[credSecret] {
			t.Errorf("%s: two secrets, %v", part.Name, err)
		}
	}
	if len(secrets) != 5 || len(roots) != 4 {
		t.Errorf("%d secrets and %d authorities", len(secrets), len(roots))
	}
}
