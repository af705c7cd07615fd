package originpull_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What action.yml and the GitLab snippet run is taken out of them and run on a
// repository of the test's own, with the variables that a runner would set.

const (
	gateBefore = "version: 1\nname: ours\nworkload: {mode: handshakes, duration: 200ms, trials: 1, block: 5ms}\n"
	gateAfter  = gateBefore + "edge: {tls: {version: \"1.2\"}}\n"
)

// shell is a step: bash or sh, and its text.
type shell struct{ name, text string }

// action returns the steps of action.yml by id, and what their variables are
// bound to.
func action(t *testing.T) (steps map[string]shell, bound map[string]string) {
	t.Helper()
	var document struct {
		Runs struct {
			Steps []struct {
				ID, Shell, Run, Uses string
				Env                  map[string]string
			}
		}
	}
	parseYAML(t, "action.yml", &document)
	steps, bound = map[string]shell{}, map[string]string{}
	for _, s := range document.Runs.Steps {
		if s.Uses != "" || strings.Contains(s.Run, "${{") {
			t.Errorf("step %s takes something in that a pull request could have written: %s%s", s.ID, s.Uses, s.Run)
		}
		steps[s.ID] = shell{s.Shell, s.Run}
		for name, value := range s.Env {
			bound[name] = value
		}
	}
	return steps, bound
}

func parseYAML(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// repository is a clone of a repository with two commits: before, in which the
// scenario is gateBefore, and HEAD.
type repository struct{ dir, before, head string }

func newRepository(t *testing.T, after string) repository {
	t.Helper()
	r := repository{dir: t.TempDir()}
	r.git(t, "init", "--quiet", "--initial-branch=main")
	r.before = r.commit(t, gateBefore)
	r.head = r.commit(t, after)
	return r
}

func (r *repository) commit(t *testing.T, scenario string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "gate.yaml"), []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	r.git(t, "add", ".")
	r.git(t, "commit", "--quiet", "--allow-empty", "--message", "a commit")
	return r.git(t, "rev-parse", "HEAD")
}

func (r *repository) git(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = r.dir, ciEnvironment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// ciEnvironment is this process's without what a CI job or a user's git set.
func ciEnvironment(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GITHUB_") || strings.HasPrefix(v, "CI_") || strings.HasPrefix(v, "GIT_") || strings.HasPrefix(v, "ORIGINPULL_")
	})
	env = append(env, "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_ALLOW_PROTOCOL=file",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org")
	return append(env, more...)
}

// exitCode runs a step and returns how it ended and what it said.
func (s shell) exitCode(t *testing.T, dir string, env []string) (int, string) {
	t.Helper()
	args := []string{"-e", "-c", s.text}
	if s.name == "bash" {
		args = []string{"--noprofile", "--norc", "-e", "-o", "pipefail", "-c", s.text}
	}
	cmd := exec.CommandContext(t.Context(), s.name, args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func needShells(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("runners of GitHub and GitLab that gate are Unix machines")
	}
	for _, name := range []string{"bash", "git"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not here", name)
		}
	}
}

func written(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// runner is a GitHub runner's temporary folder with its files.
type runner struct{ dir string }

func (r runner) file(name string) string { return filepath.Join(r.dir, name) }

// env is what a pull request of the same repository sets, then what differs.
func (r runner) env(repo *repository, more ...string) []string {
	return append(ciEnvironment(
		"RUNNER_TEMP="+r.dir, "GITHUB_OUTPUT="+r.file("output"), "GITHUB_STEP_SUMMARY="+r.file("summary"),
		"GITHUB_EVENT_NAME=pull_request", "GITHUB_REPOSITORY=us/ours", "HEAD_REPOSITORY=us/ours",
		"BASE_SHA="+repo.before, "HEAD_SHA="+repo.head,
		"SCENARIO=gate.yaml", "BUILDS=false", "EXACT=true", "PER_TRIAL=500ms", "ON_INCONCLUSIVE=warn",
	), more...)
}

// built builds originpull by the action's own step, once.
func built(t *testing.T, steps map[string]shell) string {
	t.Helper()
	r := runner{t.TempDir()}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	code, said := steps["build"].exitCode(t, t.TempDir(), ciEnvironment("RUNNER_TEMP="+r.dir, "SOURCE="+here))
	if code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	return r.file("originpull-program")
}

// with puts a program where the action expects it.
func (r runner) with(t *testing.T, program string) runner {
	t.Helper()
	if err := os.Symlink(program, r.file("originpull-program")); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestActionGatesAPullRequest(t *testing.T) {
	needShells(t)
	steps, bound := action(t)
	program := built(t, steps)
	for _, name := range []string{"SCENARIO", "BASE_SHA", "HEAD_REPOSITORY"} {
		if bound[name] == "" {
			t.Errorf("%s is not bound", name)
		}
	}
	for name, test := range map[string]struct {
		after   string
		env     []string
		code    int
		summary []string
		verdict string
	}{
		"changed": {
			after: gateAfter, env: []string{"ORIGINPULL_FORMAT=json", "ORIGINPULL_CONFIG=/nowhere"}, code: 3, verdict: "REGRESSION",
			summary: []string{"❌ originpull gate ours: REGRESSION", "handshake.rtts | REGRESSION | was 1 rtt, is 2 rtt"},
		},
		"the same to a gate": {
			after: "# said better\n" + gateBefore, verdict: "PASS", summary: []string{"✅ originpull gate ours: PASS"},
		},
		"untouched": {
			after: gateBefore, verdict: "PASS", summary: []string{"does not change `gate.yaml`: there is nothing to compare"},
		},
		"from a fork": {
			after: gateAfter, env: []string{"HEAD_REPOSITORY=them/ours"}, verdict: "INCONCLUSIVE", summary: []string{"comes from a fork"},
		},
		"from a fork that is gone": {
			after: gateAfter, env: []string{"HEAD_REPOSITORY=", "ON_INCONCLUSIVE=fail"}, code: 4, verdict: "INCONCLUSIVE", summary: []string{"comes from a fork"},
		},
		"with secrets":   {after: gateAfter, env: []string{"GITHUB_EVENT_NAME=pull_request_target"}, code: 2},
		"elsewhere":      {after: gateAfter, env: []string{"SCENARIO=x/../../gate.yaml"}, code: 2},
		"an option":      {after: gateAfter, env: []string{"SCENARIO=--selftest"}, code: 2},
		"of the library": {after: gateAfter, env: []string{"SCENARIO=quickstart"}, code: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo, r := newRepository(t, test.after), runner{t.TempDir()}.with(t, program)
			code, said := steps["gate"].exitCode(t, repo.dir, r.env(&repo, test.env...))
			if code != test.code {
				t.Fatalf("exit %d, want %d: %s", code, test.code, said)
			}
			summary, output := written(t, r.file("summary")), written(t, r.file("output"))
			for _, want := range test.summary {
				if !strings.Contains(summary, want) || !strings.Contains(said, want) {
					t.Errorf("the summary lacks %q: %s", want, summary)
				}
			}
			if strings.Contains(output, "verdict=") != (test.verdict != "") || !strings.Contains(output, "verdict="+test.verdict) && test.verdict != "" {
				t.Errorf("output %q, want verdict %s", output, test.verdict)
			}
			if left := repo.git(t, "worktree", "list"); strings.Contains(left, "\n") {
				t.Errorf("a worktree is left: %s", left)
			}
		})
	}
}

// A program that writes down what it is asked tells which base and which
// scenario the action takes.
const askedProgram = `#!/bin/sh
printf '%s\n' "$@" >"$RUNNER_TEMP/asked"
for last; do :; done
cat "$last" >"$RUNNER_TEMP/scenario"
`

func TestActionChoosesBaseAndScenario(t *testing.T) {
	needShells(t)
	steps, _ := action(t)
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte(askedProgram), 0o755); err != nil {
		t.Fatal(err)
	}
	ask := func(t *testing.T, repo *repository, env ...string) (asked []string, scenario string) {
		t.Helper()
		r := runner{t.TempDir()}.with(t, program)
		if code, said := steps["gate"].exitCode(t, repo.dir, r.env(repo, env...)); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
		return strings.Fields(written(t, r.file("asked"))), written(t, r.file("scenario"))
	}
	repo := newRepository(t, gateAfter)
	t.Run("two builds", func(t *testing.T) {
		asked, scenario := ask(t, &repo, "BUILDS=true")
		if want := []string{"--exact", "--base", repo.before, "--head", "HEAD", "--", "./gate.yaml"}; !slices.Equal(asked[len(asked)-len(want):], want) || scenario != gateAfter {
			t.Errorf("asked %v with %s", asked, scenario)
		}
	})
	t.Run("two builds, from a fork", func(t *testing.T) {
		if asked, scenario := ask(t, &repo, "BUILDS=true", "HEAD_REPOSITORY=them/ours"); scenario != gateBefore {
			t.Errorf("asked %v with the fork's scenario: %s", asked, scenario)
		}
	})
	t.Run("a push", func(t *testing.T) {
		if asked, _ := ask(t, &repo, "BUILDS=true", "BASE_SHA=", "HEAD_SHA=", "HEAD_REPOSITORY=", "GITHUB_EVENT_NAME=push"); !slices.Contains(asked, repo.before) {
			t.Errorf("asked %v, want base %s", asked, repo.before)
		}
	})
	t.Run("a shallow checkout", func(t *testing.T) {
		shallow := repository{dir: t.TempDir(), before: repo.before, head: repo.head}
		repo.git(t, "branch", "--force", "base", repo.before)
		shallow.git(t, "clone", "--quiet", "--depth=1", "--branch=main", "file://"+repo.dir, ".")
		if asked, _ := ask(t, &shallow, "BUILDS=true"); !slices.Contains(asked, repo.before) {
			t.Errorf("asked %v, want base %s", asked, repo.before)
		}
	})
	t.Run("a merge", func(t *testing.T) {
		// The base has moved on since the pull request was opened.
		merged := newRepository(t, gateAfter)
		merged.git(t, "checkout", "--quiet", "--detach", merged.before)
		moved := merged.commit(t, gateBefore)
		merged.git(t, "merge", "--quiet", "--message", "a merge", merged.head)
		if asked, _ := ask(t, &merged, "BUILDS=true"); !slices.Contains(asked, moved) {
			t.Errorf("asked %v, want base %s", asked, moved)
		}
	})
}

func TestGitLabSnippet(t *testing.T) {
	needShells(t)
	steps, _ := action(t)
	program := built(t, steps)
	var document map[string]struct {
		Script    []string
		Variables map[string]string
	}
	parseYAML(t, filepath.Join("docs", "ci", "gitlab.yml"), &document)
	job := document["originpull-gate"]
	step := shell{"sh", strings.Join(job.Script, "\n")}
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "originpull")); err != nil {
		t.Fatal(err)
	}
	step.text = strings.ReplaceAll(step.text, "originpull gate ", "originpull gate --exact ") // seconds, and no noise
	for name, test := range map[string]struct {
		after string
		env   []string
		code  int
		says  string
		junit string
	}{
		"changed":     {after: gateAfter, env: []string{"ORIGINPULL_FORMAT=json"}, code: 3, says: "\nREGRESSION: something that is compared exactly", junit: "<failure"},
		"untouched":   {after: gateBefore, says: "PASS: the merge request does not change gate.yaml"},
		"from a fork": {after: gateAfter, env: []string{"CI_MERGE_REQUEST_SOURCE_PROJECT_PATH=them/ours"}, says: "INCONCLUSIVE: the merge request comes from a fork"},
		"elsewhere":   {after: gateAfter, env: []string{"SCENARIO=../gate.yaml"}, code: 2, says: "SCENARIO is ../gate.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := newRepository(t, test.after)
			env := ciEnvironment("PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "CI_MERGE_REQUEST_DIFF_BASE_SHA="+repo.before,
				"CI_MERGE_REQUEST_SOURCE_PROJECT_PATH=us/ours", "CI_MERGE_REQUEST_PROJECT_PATH=us/ours")
			for variable, value := range job.Variables {
				env = append(env, variable+"="+value)
			}
			code, said := step.exitCode(t, repo.dir, append(env, test.env...))
			if code != test.code || !strings.Contains("\n"+said, test.says) {
				t.Errorf("exit %d, want %d, and %q in: %s", code, test.code, test.says, said)
			}
			if junit := written(t, filepath.Join(repo.dir, "originpull-gate.xml")); !strings.Contains(junit, test.junit) || (test.junit == "") != (junit == "") {
				t.Errorf("junit: %s", junit)
			}
		})
	}
}

// A first commit and a shallow clone have nothing before them: what is
// expected is still checked, and nothing fails.
func TestOwnGateWithoutACommitBefore(t *testing.T) {
	needShells(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(".ci", "gate"))
	cmd.Env = ciEnvironment("GATE_BASE=refs/heads/there-is-none")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "gate: what gate-exact expects holds\ngate: there is no refs/heads/there-is-none here") {
		t.Errorf("%v: %s", err, out)
	}
}
