package sim

import (
	"maps"
	"math"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

func TestParseSpeed(t *testing.T) {
	for text, want := range map[string]map[operation]float64{
		"+DTP:256:sign:ecdsa:1\n+F4:3:256:50000.000000:16000.000000\n": {opSign: 20, opVerify: 62.5},
		"+F2:2:2048:4000.000000:62500.000000\n":                        {opSign: 250, opVerify: 16},
		"+F2:2:2048:0.000250:0.000016\n":                               {opSign: 250, opVerify: 16},
		"+F6:0:253:Ed25519:31250.000000:10000.000000\n":                {opSign: 32, opVerify: 100},
		"+F5:22:253:31250.000000:0.000032\n":                           {opAgreeX25519: 32, opShareX25519: 32},
		"":                                                             nil,
		"+F4:3:256:0.000000:1\n":                                       nil,
		"+F4:3:256:inf:1\n":                                            nil,
		"+F4:3:256:many:1\n":                                           nil,
		"+F5:22\n":                                                     nil,
		"Doing 256 bits sign ecdsa's for 1s\n":                         nil,
	} {
		got, err := parseSpeed([]byte(text))
		same := maps.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-6 })
		if (err != nil) != (want == nil) || want != nil && !same {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
}

func FuzzParseSpeed(f *testing.F) {
	f.Add([]byte("+F4:3:256:50000.000000:16000.000000\n"))
	f.Add([]byte("+F5:22:253:31250.000000:0.000032\n+F2"))
	f.Fuzz(func(t *testing.T, text []byte) {
		costs, err := parseSpeed(text)
		for op, cost := range costs {
			if err == nil && !(cost > 0) {
				t.Errorf("%s costs %v", op, cost)
			}
		}
	})
}

// speedArm is a full mTLS handshake with a real server.
func speedArm(server, key, group string) *Arm {
	a := &Arm{Name: "s/a", Settings: scenarios.Defaults(), Policy: origin.Policy{Strategies: []string{origin.MTLS}}}
	a.Settings.Origin.Server, a.Settings.Origin.Certificate.Key, a.Settings.Edge.TLS.Group = server, key, group
	a.Settings.Origin.Certificate.Chain, a.Settings.Edge.TLS.Resumption = 1, false
	return a
}

// TestPrimitivesAreTheLibrarysOwn or none: each reason is named.
func TestPrimitivesAreTheLibrarysOwn(t *testing.T) {
	const library = "OpenSSL 3.0.19 27 Jan 2026"
	measured := func() *speed {
		return &speed{path: "openssl", library: library, costs: map[string]map[operation]float64{
			"ecdhx25519": {opAgreeX25519: 30, opShareX25519: 30},
			"ecdsap256":  {opSign: 20, opVerify: 60},
		}}
	}
	for name, c := range map[string]struct {
		server, installed string
		key               pki.KeyType
		group             string
		speed             *speed
		floor             float64
		label, why        string
	}{
		"the same OpenSSL": {"nginx", library, pki.ECDSAP256, "x25519", measured(), 30 + 30 + 20 + 2*60, library, ""},
		"another OpenSSL":  {"nginx", "OpenSSL 3.5.1 1 Jul 2025", pki.ECDSAP256, "x25519", measured(), 0, "", "the openssl on PATH is " + library},
		"no tool":          {"nginx", library, pki.ECDSAP256, "x25519", &speed{}, 0, "", "no openssl on PATH"},
		"not looked for":   {"nginx", library, pki.ECDSAP256, "x25519", nil, 0, "", "no openssl on PATH"},
		"no figure":        {"nginx", library, pki.RSA2048, "x25519", measured(), 0, "", "no figure for rsa2048"},
		"no such figure":   {"nginx", library, pki.ECDSAP256, "p256", measured(), 0, "", "does not measure share p256"},
		"this Go":          {"caddy", "crypto/tls of " + runtime.Version(), pki.ECDSAP256, "p256", nil, 7, "crypto of " + runtime.Version(), ""},
		"another Go":       {"caddy", "crypto/tls of go1.19.8", pki.ECDSAP256, "p256", nil, 0, "", "this build has go"},
		"builtin":          {builtin, "", pki.ECDSAP256, "p256", nil, 7, "crypto of " + runtime.Version(), ""},
	} {
		r := &run{result: &results.Result{}, servers: found{}, speed: c.speed}
		if c.server != builtin {
			r.servers[c.server] = foundServer{installed: origin.Installed{TLS: c.installed}}
		}
		got := &collected{arm: speedArm(c.server, string(c.key), c.group), trials: []armTrial{{floor: &Floor{Edge: 5, Origin: 7}}, {floor: &Floor{Edge: 5, Origin: 7}}}}
		if label := r.primitives(got); label != c.label {
			t.Errorf("%s: primitives of %q, want %q", name, label, c.label)
		}
		for _, trial := range got.trials {
			if *trial.floor != (Floor{Edge: 5, Origin: c.floor}) {
				t.Errorf("%s: floor %+v, want %v", name, *trial.floor, c.floor)
			}
		}
		warnings := r.result.Validity.Warnings
		if c.why == "" && len(warnings) != 0 || c.why != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], c.why) || !strings.Contains(warnings[0], "efficiency.origin is absent")) {
			t.Errorf("%s: warnings %q, want %q", name, warnings, c.why)
		}
	}
}

// TestSpeedIsPlannedOnceARun: two servers of one library, one measurement.
func TestSpeedIsPlannedOnceARun(t *testing.T) {
	const library = "OpenSSL 3.0.19 27 Jan 2026"
	servers := found{"nginx": {installed: origin.Installed{TLS: library}}, "haproxy": {installed: origin.Installed{TLS: library}}}
	tool := &speed{library: library, costs: map[string]map[operation]float64{}}
	for i, c := range []struct {
		arm  *Arm
		want float64
	}{
		{speedArm("nginx", "ecdsa-p256", "x25519"), 3},
		{speedArm("haproxy", "ecdsa-p256", "x25519"), 0},
		{speedArm("haproxy", "rsa-2048", "x25519"), 2},
		{speedArm("haproxy", "ed25519", "p256"), 0},
		{speedArm("builtin", "ed25519", "x25519"), 0},
	} {
		if got := servers.speedSeconds([]Arm{*c.arm}, tool); got != c.want {
			t.Errorf("%d: %v s, want %v", i, got, c.want)
		}
	}
}

// TestEfficiencyOfAnOpenSSLServer is measured with the tool that is here.
func TestEfficiencyOfAnOpenSSLServer(t *testing.T) {
	nginx, _ := origin.DriverNamed("nginx")
	found, err := nginx.Find(t.Context())
	if err != nil {
		t.Skipf("not run: %v", err)
	}
	if _, err := exec.LookPath("openssl"); err != nil || findSpeed(t.Context()).own(found.TLS) != nil || processCPUAvailable() != nil {
		t.Skipf("not run: no openssl of %s", found.TLS)
	}
	result := mustRun(t, compileText(t, strings.ReplaceAll(serverScenario, "SERVER", "nginx")))
	a := result.Arm("s/edge.tls.version=1.3")
	if v := a.Metrics["efficiency.origin"]; v.Value <= 0 || v.Value >= 1 || a.Labels[results.LabelPrimitives] != found.TLS {
		t.Errorf("efficiency %+v, labels %v", v, a.Labels)
	}
	if slices.ContainsFunc(result.Validity.Warnings, func(w string) bool { return strings.Contains(w, "efficiency.origin") }) {
		t.Errorf("warnings %v", result.Validity.Warnings)
	}
	t.Logf("nginx: efficiency.origin %.2f, of %s", a.Metrics["efficiency.origin"].Value, a.Labels[results.LabelPrimitives])
}
