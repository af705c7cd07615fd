// Command originpull measures what an origin pull costs and who else can
// make one. `originpull help` says more.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes. Where several apply the precedence is 1, 3, 4, 0; 2 excludes
// the others, because nothing was started.
const (
	exitPass         = 0
	exitRunFailed    = 1 // the run failed, was interrupted, or an arm failed
	exitUsage        = 2 // usage, or an invalid scenario
	exitFailed       = 3 // an expectation or a bypass verdict failed
	exitInconclusive = 4 // the measurement cannot answer what was asked
)

func main() { os.Exit(Main()) }

// Main runs the command line and returns the exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() {
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		stop()
		abandon(again, os.Stderr, os.Exit)
	})
	err := newRoot(streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}).ExecuteContext(ctx)
	var code exitError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &code):
		if code.err != nil {
			fmt.Fprintln(os.Stderr, code.err)
		}
		return code.code
	default: // cobra's own: an unknown command or flag
		fmt.Fprintf(os.Stderr, "originpull: %v\nTry: originpull help\n", err)
		return exitUsage
	}
}

// abandon waits for another signal. The first ends a run in order; the next one
// ends it at once.
func abandon(again <-chan os.Signal, w io.Writer, exit func(int)) {
	<-again
	// Nobody is left who could be told that this was not written.
	_, _ = fmt.Fprintln(w, "\noriginpull: interrupted again: the run is abandoned, and nothing of what it was doing is kept")
	exit(exitRunFailed)
}

// exitError carries an exit code to main; err, when there is one, is printed
// first.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// failed wraps an error of the run, usage one of the user's input.
func failed(err error) error {
	return exitError{code: exitRunFailed, err: fmt.Errorf("originpull: %w", err)}
}

func usage(err error) error {
	return exitError{code: exitUsage, err: fmt.Errorf("originpull: %w", err)}
}
