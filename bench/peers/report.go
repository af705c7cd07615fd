package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// section is a heading with tables.
type section struct {
	title string
	lines []string
	open  bool
}

// add adds a row; the first of a table is its heading.
func (s *section) add(cells ...string) {
	s.lines = append(s.lines, "| "+strings.Join(cells, " | ")+" |")
	if !s.open {
		s.lines = append(s.lines, "|"+strings.Repeat("---|", len(cells)))
		s.open = true
	}
}

// end ends a table.
func (s *section) end() {
	s.lines = append(s.lines, "")
	s.open = false
}

// report is everything that is printed.
type report struct {
	started  time.Time
	options  options
	machine  string
	versions string
	sections []section

	interrupted string // the part that was under way; "" when all are complete
}

const intro = `# Performance

What originpull's own generator costs beside public load tools. Written by
` + "`make bench-peers`" + `; the prose at the end is ours.

%s, %d rounds of %d s, %s.
%s.

Every round runs every contender once, in an order drawn anew, against the same
nginx: one worker on the last core, the generator on core 0 (Go:
GOMAXPROCS=1), %d connections, 1 KiB bodies, ECDSA P-256 certificates,
AES-128-GCM, no tickets, no session cache. nginx counts requests and accepts,
and logs any answer that the row does not ask for; CPU is that of the
contender's whole process (wait4). A ratio is taken within a round, its median
over rounds: read the ratios, not the rates, which are this machine's.
originpull is the worker that ships, with HdrHistogram, latency from the due
time and connection accounting on, and it alone verifies the server's chain.
wrk and h2load get their client certificate from a preloaded shim.

`

func (r *report) markdown() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, intro, r.started.UTC().Format("2006-01-02"), r.options.rounds, r.options.seconds, r.machine, r.versions, concurrency)
	for _, s := range r.sections {
		fmt.Fprintf(&b, "## %s\n\n%s\n", s.title, strings.Join(s.lines, "\n"))
	}
	if r.interrupted != "" {
		fmt.Fprintf(&b, "## Interrupted\n\n%s was under way; it and what follows are not run.\n\n", r.interrupted)
	}
	if r.options.note != "" {
		note, err := os.ReadFile(r.options.note)
		if err != nil {
			return "", fmt.Errorf("reading the prose: %w", err)
		}
		b.Write(note)
	}
	return strings.TrimRight(b.String(), "\n") + "\n", nil
}

func machine() string {
	cpu := "unknown CPU"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer func() { _ = f.Close() }()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	load := ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load average at the start " + strings.Fields(string(text))[0]
	}
	return fmt.Sprintf("%d × %s, %s/%s, %s%s", runtime.NumCPU(), cpu, runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}

// versions asks every tool that is here what it is.
func (l *lab) versions(ctx context.Context) string {
	said := []string{"nginx " + versionOf(ctx, "nginx", "-v")}
	for _, c := range contenders {
		if c.tool == "" {
			continue
		}
		path, err := l.find(c.tool)
		if err != nil {
			continue
		}
		version := l.moduleVersion(ctx, path)
		if version == "" && c.version != nil {
			version = versionOf(ctx, path, c.version...)
		}
		said = append(said, c.tool+" "+version)
	}
	return strings.Join(said, ", ")
}

// versionOf finds the first word that looks like a version.
func versionOf(ctx context.Context, path string, args ...string) string {
	said, _ := exec.CommandContext(ctx, path, args...).CombinedOutput() // some exit with 1 after they said it
	return versionIn(string(said))
}

func versionIn(text string) string {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \n\t/,<>()", r) }) {
		word = strings.TrimPrefix(word, "v")
		if strings.Contains(word, ".") && word[0] >= '0' && word[0] <= '9' {
			return word
		}
	}
	return "of unknown version"
}

// moduleVersion is what the Go toolchain wrote into a binary; "" for others.
func (l *lab) moduleVersion(ctx context.Context, path string) string {
	if filepath.Dir(path) == "/usr/bin" {
		return ""
	}
	said, err := exec.CommandContext(ctx, "go", "version", "-m", path).Output()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(said)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "mod" {
			return strings.TrimPrefix(f[2], "v")
		}
	}
	return ""
}
