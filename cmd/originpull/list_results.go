package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func init() { lists["results"] = listResults }

// listResults prints the runs and gates kept beneath the working folder, oldest first,
// as their names sort. One that cannot be read is listed with the reason.
func listResults(w io.Writer, verbose bool) {
	folder := filepath.FromSlash(runsFolder)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		_, _ = fmt.Fprintf(w, "no run is kept in %s: originpull run keeps them there\n", folder)
		return
	}
	if err != nil {
		_, _ = fmt.Fprintf(w, "%s cannot be read: %v\n", folder, err)
		return
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		name := filepath.Join(folder, entry.Name())
		if file, is := gateIn(name); is {
			listGate(w, name, file)
			continue
		}
		result, err := readResult(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			_, _ = fmt.Fprintf(w, "%s\t–\tnot finished, or ended before its result was written\n", name)
		case err != nil:
			_, _ = fmt.Fprintf(w, "%s\t–\tunusable: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; "))
		default:
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s, %.0f s\n", name, result.Scenario.Name, result.Conclude(), result.Started.Format("2006-01-02 15:04"), result.Elapsed)
			if verbose {
				_, _ = fmt.Fprintf(w, "\t  %s, %s, seed %d\n", result.Scenario.Digest, result.Environment["cpu"], result.Scenario.Seed)
			}
		}
	}
}

// listGate prints the line of a gate: its verdict where a run has how it went.
func listGate(w io.Writer, name, file string) {
	g, err := readGate(file)
	if err != nil {
		_, _ = fmt.Fprintf(w, "%s\t–\tunusable: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	_, _ = fmt.Fprintf(w, "%s\t%s\tgate: %s\t%s, %.0f s\n", name, g.Scenario.Name, g.Verdict, g.Started.Format("2006-01-02 15:04"), g.Elapsed)
}
