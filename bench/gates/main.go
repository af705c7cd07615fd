package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options are what the command line asks for.
type options struct {
	program, log, tables, out, note string
	want                            map[string]int // gates by kind, those of the log included
	until                           time.Duration  // begin no gate after; 0: no limit
}

func main() {
	var o options
	flag.StringVar(&o.program, "program", "bin/originpull", "the originpull to gate with")
	flag.StringVar(&o.log, "log", "docs/gate.jsonl", "file of outcomes, appended to")
	flag.StringVar(&o.tables, "tables", "", "folder with the tables of the simulation and the replay")
	flag.StringVar(&o.out, "out", "docs/gate.md", "page to write")
	flag.StringVar(&o.note, "note", "", "what to say of the circumstances, in a sentence")
	flag.DurationVar(&o.until, "for", 0, "begin no gate after this time")
	wanted := map[string]*int{}
	for _, k := range kinds {
		wanted[k.name] = flag.Int(k.name, k.want, "how many gates: "+k.words)
	}
	flag.Parse()
	o.want = map[string]int{}
	for name, n := range wanted {
		o.want[name] = *n
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.run(ctx); err != nil {
		fail(err)
	}
}

func fail(err error) {
	_, _ = fmt.Fprintln(os.Stderr, "gates:", err)
	os.Exit(1)
}

// run takes what is missing and writes the page; an interrupt leaves the rest
// for another time.
func (o *options) run(ctx context.Context) error {
	outcomes, err := readOutcomes(o.log)
	if err != nil {
		return err
	}
	started := time.Now()
	for ctx.Err() == nil && (o.until == 0 || time.Since(started) < o.until) {
		k := next(outcomes, o.want)
		if k == nil {
			break
		}
		outcome := k.take(ctx, o.program)
		if ctx.Err() != nil {
			break // interrupted: it says nothing
		}
		if err := appendOutcome(o.log, outcome); err != nil {
			return err
		}
		outcomes = append(outcomes, outcome)
		_, _ = fmt.Fprintf(os.Stderr, "gates: %s, %d of %d: %s after %.0f s\n", k.words, count(outcomes, k.name), o.want[k.name], outcome.words(), outcome.Elapsed)
	}
	page, err := o.page(outcomes)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(o.out+".new", []byte(page), 0o644), os.Rename(o.out+".new", o.out))
}

// next is the kind of which the smallest share has been taken, so that gates of
// all kinds see the same hours; nil when there are enough of each.
func next(outcomes []outcome, want map[string]int) *kind {
	var best *kind
	least := 1.0
	for i := range kinds {
		k := &kinds[i]
		if want[k.name] == 0 {
			continue
		}
		if share := float64(count(outcomes, k.name)) / float64(want[k.name]); share < least {
			best, least = k, share
		}
	}
	return best
}
