package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/originpull/originpull/sim"
)

// progress shows where a run is: one line that is rewritten on a terminal,
// plain lines elsewhere, at most one every two seconds unless the experiment
// changes.
type progress struct {
	w        io.Writer
	terminal bool
	last     time.Time
	shown    sim.Progress
	dirty    bool // a rewritten line stands on the terminal
}

const plainInterval = 2 * time.Second

func (p *progress) show(now sim.Progress) {
	if p.terminal {
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s", p.cut(progressLine(now)))
		p.dirty = true
		return
	}
	moved := now.Experiment != p.shown.Experiment || now.Step != p.shown.Step && !strings.HasSuffix(now.Step, "…")
	if !moved && (time.Since(p.last) < plainInterval || now.Trial == p.shown.Trial && now.Arm == p.shown.Arm) {
		return
	}
	p.last, p.shown = time.Now(), now
	_, _ = fmt.Fprintln(p.w, progressLine(now))
}

// cut keeps a line from wrapping: what has wrapped cannot be rewritten.
func (p *progress) cut(line string) string {
	file, ok := p.w.(*os.File)
	if !ok {
		return line
	}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 1 && len(line) >= width {
		return line[:width-1]
	}
	return line
}

// end clears the rewritten line.
func (p *progress) end() {
	if p.dirty {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func progressLine(p sim.Progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%3.0f s, about %.0f s left  %s", p.Elapsed.Seconds(), p.Remaining.Seconds(), p.Experiment)
	switch {
	case p.Arm != "":
		fmt.Fprintf(&b, "  trial %d of %d  %s", p.Trial, p.Trials, strings.TrimPrefix(p.Arm, p.Experiment+"/"))
		if p.Step != "" {
			fmt.Fprintf(&b, "  %s", p.Step)
		}
	case p.Arms > 0:
		fmt.Fprintf(&b, "  trial %d of %d  %d arms taking turns", p.Trial, p.Trials, p.Arms)
	case p.Trials > 0:
		fmt.Fprintf(&b, "  row %d of %d", p.Trial, p.Trials)
	}
	return b.String()
}
