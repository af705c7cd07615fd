package sim

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

const includeScenario = `version: 1
name: included
experiments:
  - name: i
    origin: {server: SERVER, include: FILE, mtls: {pin: none, revocation: false}}
    workload: {mode: requests, arrivals: {model: closed}, requests: 20, warmupRequests: 0, controls: false}
`

// includeIn compiles the scenario beside a file of directives.
func includeIn(t *testing.T, server, name, directives string) (*Plan, error) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(directives), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("SERVER", server, "FILE", name).Replace(includeScenario)
	s, err := scenarios.Load(scenarios.Source{File: filepath.Join(folder, "x.yaml"), Content: []byte(text)})
	if err != nil {
		return nil, err
	}
	return Compile(s)
}

// Each server closes a connection after so many requests where it is told to,
// and says where what it does not understand stands.
func TestInclude(t *testing.T) {
	for server, c := range map[string]struct {
		directives string
		connects   float64
		refused    string // of the server, about a directive that there is not
	}{
		"nginx":   {"keepalive_requests 5;\n", 4, `"nonsense" in include.conf:1`},
		"apache":  {"MaxKeepAliveRequests 4\n", 4, "Syntax error on line 1 of "},
		"haproxy": {"http-after-response set-header Connection close\n", 20, "unknown keyword 'nonsense'"},
	} {
		t.Run(server, func(t *testing.T) {
			driver, _ := origin.DriverNamed(server)
			if _, err := driver.Find(t.Context()); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatalf("CI needs every server: %v", err)
				}
				t.Skipf("not run: %v", err)
			}
			plan, err := includeIn(t, server, "mine.conf", c.directives)
			if err != nil {
				t.Fatal(err)
			}
			result := mustRun(t, plan)
			if got := result.Arms[0].Metrics["connect.count"].Value; got != c.connects {
				t.Errorf("%v connections, want %v", got, c.connects)
			}
			var text bytes.Buffer
			if err := results.Encode(&text, result); err != nil || strings.Contains(text.String(), strings.TrimSpace(c.directives)) || !strings.Contains(text.String(), plan.Includes["mine.conf"].Digest) {
				t.Errorf("the result keeps the digest of the file and never its text: %v", err)
			}
			if plan, err = includeIn(t, server, "mine.conf", "nonsense on;\n"); err != nil {
				t.Fatal(err)
			}
			result, err = Run(t.Context(), plan, testConfig(t))
			if err != nil || len(result.Arms) != 1 || !strings.Contains(result.Arms[0].Error, c.refused) {
				t.Errorf("%v, %+v, want %q", err, result.Arms, c.refused)
			}
		})
	}
}

func TestIncludeRefused(t *testing.T) {
	for _, c := range []struct{ server, name, directives, want string }{
		{"builtin", "a.conf", "x", "x.yaml:5: experiments[0].origin.include: the built-in origin has no configuration file to include a.conf in"},
		{"caddy", "a.conf", "x", "experiments[0].origin.include: the configuration of caddy is written whole, and has no place for a.conf: choose apache or haproxy or nginx"},
		{"nginx", "a.conf", " \n", "a.conf: there is nothing in it"},
		{"nginx", "a.conf", "\xff", "a.conf: it is no text in UTF-8"},
		{"nginx", "a.conf", strings.Repeat("#", mostIncluded+1), "a.conf: it is larger than 64 KiB"},
		{"nginx", "'.'", "x", ".: is a directory"},
	} {
		if _, err := includeIn(t, c.server, c.name, c.directives); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %.20q: %v, want %q", c.server, c.directives, err, c.want)
		}
	}
	first, err := includeIn(t, "nginx", "a.conf", "gzip on;")
	if err != nil {
		t.Fatal(err)
	}
	second, err := includeIn(t, "nginx", "a.conf", "gzip off;")
	if err != nil || first.Digest == second.Digest {
		t.Errorf("another file, the same digest %s, %v", first.Digest, err)
	}
	if _, err := Versus(first, second); err == nil || !strings.Contains(err.Error(), "base and head each have a file called a.conf, and they differ") {
		t.Errorf("%v", err)
	}
	third, err := includeIn(t, "nginx", "b.conf", "gzip off;")
	if err != nil {
		t.Fatal(err)
	}
	if joined, err := Versus(first, third); err != nil || len(joined.Includes) != 2 || joined.included(&joined.Experiments[0].Arms[0]) != "gzip on;" || joined.included(&joined.Experiments[0].Arms[1]) != "gzip off;" {
		t.Errorf("%+v, %v", joined, err)
	}
}
