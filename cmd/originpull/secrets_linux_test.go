package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results/report"
)

// secretsScenario has the strategies by themselves, with attempts that show
// secrets and keys, that rotate and revoke them, and one that asks for the
// secret to be said.
const secretsScenario = `version: 1
name: secrets
experiments:
  - name: bypass
    bypass:
      cases: [A01, A05, B03, B04, B12, C01, C09, C11, D13]
      strategies: [allowlist, header, mtls]
      servers: [%s]
      tls: ["1.2", "1.3"]
    expect: ["bypass.unexpected == 0"]
`

// TestNothingSecretIsLeft runs attempts and looks for every secret and every
// private key of theirs in all that the run leaves or shows: its folder, both
// outputs, each report, and the arguments and environments of its processes.
// Two runs leak on purpose: they show that it would be found.
func TestNothingSecretIsLeft(t *testing.T) {
	servers := "builtin"
	if nginx, known := origin.DriverNamed("nginx"); known {
		if _, err := nginx.Find(t.Context()); err == nil {
			servers += ", nginx"
		}
	}
	for _, test := range []struct {
		name, servers, env string
		exit               int
		leaks              string
	}{
		{"correct", servers, "", exitPass, ""},
		{"a hole, and evidence of it", "builtin", plantVariable + "=echo-header", exitFailed, ""},
		{"a secret that is spilt", "builtin", spillVariable + "=secret", exitPass, "a secret"},
		{"a key that is spilt", "builtin", spillVariable + "=key", exitPass, "PRIVATE KEY"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := watchRun(t, fmt.Sprintf(secretsScenario, test.servers), test.env)
			if w.exit != test.exit {
				t.Fatalf("exit code %d, want %d: %s", w.exit, test.exit, w.left["standard error"])
			}
			w.checkProcesses(t, test.servers)
			w.checkFolders(t, test.servers)
			found := w.leaks()
			switch {
			case test.leaks == "" && len(found) > 0:
				t.Errorf("leaked: %q", found)
			case test.leaks != "" && !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, test.leaks) && strings.Contains(f, ".spilt") }):
				t.Errorf("what was spilt was not found: %q", found)
			}
			if evidence := bytes.Contains(w.left["standard output"], []byte(`[secret]`)); evidence != (test.exit == exitFailed) {
				t.Errorf("evidence with its secret taken out: %t", evidence)
			}
		})
	}
}

// watched is all that a run left or showed.
type watched struct {
	exit    int
	left    map[string][]byte // by what it is
	private map[string]privateFile
	remains []string            // private folders that are still there
	hidden  map[string][]string // what must not be shown, in all its forms
}

// privateFile is a file in a real server's own folder, while it was there.
type privateFile struct {
	content      []byte
	mode, folder fs.FileMode
}

// watchRun makes a run and everything that can be made of it.
func watchRun(t *testing.T, scenario, env string) *watched {
	t.Helper()
	dir := t.TempDir()
	temporary, drawn := filepath.Join(dir, "tmp"), filepath.Join(dir, "drawn")
	// A real server runs as another user, to whom the test's folder is closed.
	err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Mkdir(temporary, 0o755), os.WriteFile(filepath.Join(dir, "s.yaml"), []byte(scenario), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{left: map[string][]byte{}, private: map[string]privateFile{}}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "originpull", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TMPDIR="+temporary, "GORACE=atexit_sleep_ms=0")
		return cmd
	}
	run := command("run", "./s.yaml", "--out", "kept", "--format", "json")
	run.Env = append(run.Env, customRandom, drawnVariable+"="+drawn, env)
	w.exit = w.keepOutput(t, run, "standard", func(done <-chan struct{}) { w.sample(run.Process.Pid, temporary, done) })
	for _, format := range report.Formats() {
		// Not every format has something to say of every run.
		w.keepOutput(t, command("report", "kept", "--format", format.Name), format.Name, func(done <-chan struct{}) { <-done })
	}
	w.keepFolder(t, filepath.Join(dir, "kept"))
	if w.remains, err = filepath.Glob(filepath.Join(temporary, "originpull-*")); err != nil {
		t.Fatal(err)
	}
	w.hidden = hiddenOf(t, drawn)
	return w
}

// keepOutput runs a command, with beside until it has ended.
func (w *watched) keepOutput(t *testing.T, cmd *exec.Cmd, name string, beside func(done <-chan struct{})) int {
	t.Helper()
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		beside(done)
	}()
	err := cmd.Wait()
	close(done)
	<-ended
	if exit, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	} else if failed && !exit.Exited() {
		t.Fatalf("%s was ended: %v", cmd, err)
	}
	w.left[name+" output"], w.left[name+" error"] = out.Bytes(), diagnostics.Bytes()
	return cmd.ProcessState.ExitCode()
}

func (w *watched) keepFolder(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		w.left["name of "+path] = []byte(path)
		w.left[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sample looks again and again at the processes of a run and at the private
// folders of its servers. What is gone when it looks is not an error.
func (w *watched) sample(pid int, temporary string, done <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, p := range descendants(pid) {
			for _, kind := range []string{"cmdline", "environ"} {
				if text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p), kind)); err == nil && len(text) > 0 {
					// What it said before exec is another text.
					w.left[fmt.Sprintf("%s of process %d, %d bytes", kind, p, len(text))] = text
				}
			}
		}
		w.look(temporary)
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

func (w *watched) look(temporary string) {
	folders, err := filepath.Glob(filepath.Join(temporary, "originpull-*"))
	if err != nil {
		return
	}
	for _, folder := range folders {
		of, err := os.Stat(folder)
		files, read := os.ReadDir(folder)
		if err != nil || read != nil {
			continue
		}
		for _, file := range files {
			path := filepath.Join(folder, file.Name())
			if _, known := w.private[path]; known || !file.Type().IsRegular() {
				continue
			}
			about, err := os.Stat(path)
			content, read := os.ReadFile(path)
			if err == nil && read == nil && len(content) > 0 {
				w.private[path] = privateFile{content: content, mode: about.Mode().Perm(), folder: of.Mode().Perm()}
			}
		}
	}
}

// descendants are the process and all that it has started, as far as they have
// not left it.
func descendants(pid int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	children := map[int][]int{}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The name, in brackets, may hold anything.
		_, after, found := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		if !found || len(fields) < 2 {
			continue
		}
		child, wrong := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, err := strconv.Atoi(fields[1])
		if wrong == nil && err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// hiddenOf reads what the run's keys and secrets were drawn from.
func hiddenOf(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	hidden, keys, secrets := map[string][]string{}, 0, 0
	for line := range strings.Lines(string(text)) {
		drawn, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		if len(drawn) == 26 { // as rand.Text makes it
			for i := range drawn {
				drawn[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[drawn[i]%32]
			}
			secrets++
			hidden[fmt.Sprintf("a secret, the %d.", secrets)] = append(forms(drawn), strings.ToLower(string(drawn)))
			continue
		}
		keys++
		hidden[fmt.Sprintf("a key, the %d.", keys)] = append(forms(drawn), new(big.Int).SetBytes(drawn).String())
	}
	if secrets < 4 || keys < 20 {
		t.Fatalf("only %d secrets and %d keys are known", secrets, keys)
	}
	return hidden
}

// forms are bytes as they are, in hexadecimal, and within something that is
// base64.
func forms(b []byte) []string {
	all := []string{string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), strings.Trim(fmt.Sprintf("%d", b), "[]")}
	for shift := range 3 {
		within := append(make([]byte, shift), b...)
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString(within)[[]int{0, 2, 3}[shift]:]
			if len(within)%3 != 0 {
				text = text[:len(text)-1] // shares its bits with what follows
			}
			if !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}

// leaks says what of the hidden is where.
func (w *watched) leaks() []string {
	var found []string
	for name, content := range w.left {
		if bytes.Contains(content, []byte("PRIVATE KEY")) {
			found = append(found, "PRIVATE KEY in "+name)
		}
		unbroken := bytes.ReplaceAll(bytes.ReplaceAll(content, []byte("\n"), nil), []byte(`\n`), nil)
		for what, all := range w.hidden {
			if slices.ContainsFunc(all, func(form string) bool {
				return bytes.Contains(content, []byte(form)) || bytes.Contains(unbroken, []byte(form))
			}) {
				found = append(found, what+" in "+name)
			}
		}
	}
	slices.Sort(found)
	return found
}

// checkProcesses holds that the right processes were looked at.
func (w *watched) checkProcesses(t *testing.T, servers string) {
	t.Helper()
	for _, want := range []string{"\x00worker\x00origin", "nginx"} {
		seen := false
		for name, text := range w.left {
			seen = seen || strings.HasPrefix(name, "cmdline of process") && bytes.Contains(text, []byte(want))
		}
		if !seen && (want != "nginx" || strings.Contains(servers, "nginx")) {
			t.Errorf("no process %q was seen", want)
		}
	}
}

// checkFolders holds that a real server's secrets stood where nobody else
// reads, and are gone.
func (w *watched) checkFolders(t *testing.T, servers string) {
	t.Helper()
	if len(w.remains) > 0 {
		t.Errorf("private folders are left: %q", w.remains)
	}
	secrets, keys := 0, 0
	for path, file := range w.private {
		holds := bytes.Contains(file.content, []byte("PRIVATE KEY"))
		keys += one(holds)
		for what, all := range w.hidden {
			if strings.HasPrefix(what, "a secret") && bytes.Contains(file.content, []byte(all[0])) {
				holds = true
				secrets++
			}
		}
		if holds && (file.mode != 0o600 || file.folder != 0o700) {
			t.Errorf("%s has mode %v in a folder of mode %v", path, file.mode, file.folder)
		}
	}
	if strings.Contains(servers, "nginx") && (secrets == 0 || keys == 0) {
		t.Errorf("%d secrets and %d keys were seen where nginx has them", secrets, keys)
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestFormsAreFound: whatever stands before and behind it, in base64 or not.
func TestFormsAreFound(t *testing.T) {
	secret := []byte("a secret of some length, 0123456789")
	for shift := range 5 {
		around := append(append(bytes.Repeat([]byte{0xa5}, shift), secret...), 0x5a, 0x5a)
		for name, text := range map[string]string{
			"raw": string(around), "hex": hex.EncodeToString(around), "HEX": strings.ToUpper(hex.EncodeToString(around)), "decimal": fmt.Sprintf("%d", around),
			"base64": base64.StdEncoding.EncodeToString(around), "base64url": base64.URLEncoding.EncodeToString(around),
		} {
			w := &watched{left: map[string][]byte{name: []byte(text[:10] + "\n" + text[10:])}, hidden: map[string][]string{"a secret": forms(secret)}}
			if len(w.leaks()) != 1 {
				t.Errorf("not found as %s behind %d bytes", name, shift)
			}
		}
	}
}
