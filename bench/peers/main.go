package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	only    []string
	rounds  int
	seconds int // of one contender in one round
	out     string
	binary  string // originpull
	tools   string // folder of tools that are not in PATH
	note    string // file with prose to stand after the tables
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == holdCommand {
		if err := hold(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func parse(args []string, diagnostics io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	only := flags.String("only", strings.Join(partNames(), ","), "parts to run, separated by commas")
	flags.IntVar(&o.rounds, "rounds", 7, "rounds of every table")
	flags.IntVar(&o.seconds, "seconds", 2, "seconds of one contender in one round")
	flags.StringVar(&o.out, "out", "", "write the tables to this Markdown file too")
	flags.StringVar(&o.note, "note", "", "Markdown file to append to the tables, such as docs/performance-notes.md")
	flags.StringVar(&o.binary, "originpull", "bin/originpull", "the program under test")
	flags.StringVar(&o.tools, "tools", ".tools", "folder in which to look for tools first")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.rounds < 1 || o.seconds < 1 {
		return o, errors.New("rounds and seconds must be at least 1")
	}
	o.only = strings.Split(*only, ",")
	for _, name := range o.only {
		if !slices.Contains(partNames(), name) {
			return o, fmt.Errorf("unknown part %q: use some of %s", name, strings.Join(partNames(), ","))
		}
	}
	return o, nil
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	o, err := parse(args, progress)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	r := report{started: time.Now(), options: o, machine: machine()}
	for _, p := range parts {
		if !slices.Contains(o.only, p.name) {
			continue
		}
		_, _ = fmt.Fprintln(progress, "peers:", p.name)
		section, err := p.run(ctx, l, progress)
		if ctx.Err() != nil { // what is complete is worth keeping
			r.interrupted = p.name
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		r.sections = append(r.sections, section)
	}
	r.versions = l.versions(context.WithoutCancel(ctx))
	text, err := r.markdown()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	if o.out == "" {
		return nil
	}
	if err := os.WriteFile(o.out, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	return nil
}
