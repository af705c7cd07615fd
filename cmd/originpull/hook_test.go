package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/sim"
)

// What tests do to the command that they start. Nothing of it is in the
// product: only a test binary looks at these variables.
const (
	// plantVariable names a mistake that every origin worker makes where the
	// coordinator has asked for the correct policy: a build with a hole.
	plantVariable = "ORIGINPULL_TEST_PLANT"
	// drawnVariable names a file to which the coordinator adds what keys and
	// secrets are made of. It takes effect with customRandom alone.
	drawnVariable = "ORIGINPULL_TEST_DRAWN"
	// customRandom lets crypto/ecdsa draw from crypto/rand.Reader.
	customRandom = "GODEBUG=cryptocustomrand=1"
	// spillVariable makes workers say a secret where it must not be.
	spillVariable = "ORIGINPULL_TEST_SPILL"
)

// underTest is the command as tests start it.
func underTest() int {
	isWorker := len(os.Args) > 1 && os.Args[1] == "worker"
	if file := os.Getenv(drawnVariable); file != "" && !isWorker {
		if err := recordDraws(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitRunFailed
		}
	}
	plant, spill := os.Getenv(plantVariable), os.Getenv(spillVariable)
	if isWorker && plant+spill != "" {
		if err := interceptCommands(plant, spill); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitRunFailed
		}
	}
	return Main()
}

// interceptCommands puts itself between the coordinator and this worker.
func interceptCommands(plant, spill string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	os.Stdin = r
	// It ends with its input; the process ends right after.
	go func() {
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 0 {
				line = intercepted(line, plant, spill)
				if _, wrote := w.Write(line); wrote != nil {
					return
				}
			}
			if err != nil {
				_ = w.Close()
				return
			}
		}
	}()
	return nil
}

// intercepted is a command with what the test wants of it. One that is not
// understood goes on as it is.
func intercepted(line []byte, plant, spill string) []byte {
	var c sim.Command
	if err := json.Unmarshal(line, &c); err != nil {
		return line
	}
	mistake, known := origin.MistakeNamed(plant)
	for _, p := range policiesOf(&c) {
		if known && p.Mistake == "" && p.Uses(mistake.Strategy) {
			p.Mistake = plant
		}
	}
	if c.Start != nil && spill != "" {
		spillSecrets(c.Start, spill)
	}
	changed, err := json.Marshal(c)
	if err != nil {
		return line
	}
	return append(changed, '\n')
}

func policiesOf(c *sim.Command) []*origin.Policy {
	var policies []*origin.Policy
	if c.Start != nil {
		policies = append(policies, &c.Start.Arm.Policy)
	}
	if c.Reload != nil {
		policies = append(policies, &c.Reload.Policy)
	}
	return policies
}

// spillSecrets is a leak on purpose: into the audit log.
func spillSecrets(s *sim.Start, what string) {
	text := ""
	for _, secret := range s.Credentials.Secrets {
		text = secret
	}
	if what == "key" {
		text = s.Credentials.Certificates[s.Certificate].Key
	}
	file, err := os.OpenFile(s.Audit+".spilt", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = io.WriteString(file, text)
	_ = file.Close()
}

// recordDraws has what the bypass material is made of written to a file, in
// hexadecimal, a line for each draw.
func recordDraws(name string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	rand.Reader = &recorder{from: rand.Reader, to: file}
	return nil
}

// recorder keeps what keys and secrets are drawn from, and lets the rest go by.
type recorder struct {
	from io.Reader
	mu   sync.Mutex
	to   io.Writer
}

// drawers make what must stay secret.
var drawers = []string{"originpull/pki.newKey", "originpull/sim/bypass.NewMaterial", "originpull/sim/bypass.(*Material)"}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	// A scalar on P-256 is 32 bytes, what rand.Text draws 26; serial numbers,
	// which are public, are 16.
	if (n != 32 && n != 26) || !drawnBy(drawers) {
		return n, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, wrote := fmt.Fprintln(r.to, hex.EncodeToString(b[:n]))
	return n, errors.Join(err, wrote)
}

func drawnBy(names []string) bool {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	for {
		frame, more := frames.Next()
		if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(frame.Function, name) }) {
			return true
		}
		if !more {
			return false
		}
	}
}
