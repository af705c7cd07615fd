package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim/bypass"
)

// lists is what can be listed.
var lists = map[string]func(w io.Writer, verbose bool){
	"scenarios": func(w io.Writer, _ bool) {
		for _, entry := range scenarios.Library() {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", entry.Name, entry.Title)
		}
	},
	"presets":  listPresets,
	"servers":  listServers,
	"links":    listLinks,
	"cases":    listCases,
	"mistakes": listMistakes,
	"profiles": listProfiles,
	"strategies": func(w io.Writer, _ bool) {
		for _, s := range origin.Strategies() {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", s.Name, s.Title)
		}
	},
	"metrics": func(w io.Writer, _ bool) {
		for _, m := range results.Metrics() {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", m.Name, m.Unit, m.Title)
		}
	},
}

// jsonLists are those of lists that have a JSON form.
var jsonLists = map[string]func(w io.Writer) error{"presets": presetsJSON}

const listHelp = `List what this build knows. --verbose adds steps, controls, fixes, limits and
references; of links what each kind can do; of presets every value with its
source, its date and how well it is known, and those that nobody documents: a
scenario that names the preset and depends on one of these sets it itself.

  originpull list cases
  originpull list presets --verbose
  originpull list presets --format json`

func listCases(w io.Writer, verbose bool) {
	for _, a := range bypass.Attempts() {
		_, _ = fmt.Fprintf(w, "%s\t%s\tan attacker who %s\n", a.ID, a.Title, a.Capability)
		if !verbose {
			continue
		}
		_, _ = fmt.Fprintf(w, "\t  class: %s\n", a.Class)
		if a.Unbuilt != "" {
			_, _ = fmt.Fprintf(w, "\t  not built: %s\n", a.Unbuilt)
		}
		for i, step := range a.Steps {
			_, _ = fmt.Fprintf(w, "\t  %d. %s\n", i+1, step)
		}
		for _, strategy := range slices.Sorted(maps.Keys(a.Mistakes)) {
			_, _ = fmt.Fprintf(w, "\t  control under %s: %s\n", strategy, a.Mistakes[strategy])
		}
		if a.EdgeFault != "" {
			_, _ = fmt.Fprintf(w, "\t  control, an edge with a fault: %s\n", a.EdgeFault)
		}
		if a.Run != nil {
			_, _ = fmt.Fprintf(w, "\t  holds: %s\n", a.Holds)
		}
		_, _ = fmt.Fprintf(w, "\t  reference: %s\n", a.Reference)
	}
}

// listServers asks every server that is here who it is; verbose adds what it
// cannot enforce or tell.
func listServers(w io.Writer, verbose bool) {
	for _, d := range origin.Drivers() {
		found, err := d.Find(context.Background())
		switch {
		case errors.Is(err, origin.ErrNotInstalled):
			_, _ = fmt.Fprintf(w, "%s\tnot found\t%s\ton Debian: apt-get install %s\n", d.Name, d.Title, d.Package)
		case err != nil:
			_, _ = fmt.Fprintf(w, "%s\tunusable\t%s\t%v\n", d.Name, d.Title, err)
		default:
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", d.Name, found.Version, found.TLS, found.Path)
		}
		if !verbose {
			continue
		}
		for _, limit := range serverLimits(d, found) {
			_, _ = fmt.Fprintf(w, "\t  limit: %s\n", limit)
		}
		for _, clause := range d.CannotTell {
			_, _ = fmt.Fprintf(w, "\t  cannot tell: %s\n", clause)
		}
	}
}

// serverLimits are the reasons of the limits under every strategy and pin,
// each once.
func serverLimits(d origin.Driver, found origin.Installed) []string {
	var reasons []string
	for _, pin := range origin.Pins() {
		p := origin.Policy{Strategies: []string{origin.Allowlist, origin.Header, origin.MTLS}, Pin: pin, RevocationList: "list"}
		for _, limit := range d.Limits(found, p) {
			reason := fmt.Sprintf("%s: %s", limit.Proof, limit.Reason)
			if limit.Weak {
				reason = fmt.Sprintf("%s, weakly: %s", limit.Proof, limit.Reason)
			}
			if !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
	}
	return reasons
}

func listProfiles(w io.Writer, verbose bool) {
	for _, p := range origin.Profiles() {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", p.Name, p.Title)
		if !verbose {
			continue
		}
		for _, h := range p.Identity {
			_, _ = fmt.Fprintf(w, "\t  tells the application: %s\n", h.Name)
		}
		_, _ = fmt.Fprintf(w, "\t  reference: %s\n", p.Reference)
	}
}

func listMistakes(w io.Writer, verbose bool) {
	for _, m := range origin.Mistakes() {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", m.Strategy, m.Name, m.Title)
		if verbose {
			_, _ = fmt.Fprintf(w, "\t\tfix: %s\n", m.Fix)
			for _, d := range origin.Drivers() {
				if fix := d.Fix(m); fix != "" && fix != m.Fix {
					_, _ = fmt.Fprintf(w, "\t\tfix in %s: %s\n", d.Name, fix)
				}
			}
		}
	}
}

func init() {
	register(func(s streams) *cobra.Command {
		names := slices.Sorted(maps.Keys(lists))
		var verbose bool
		var format string
		cmd := &cobra.Command{
			Use: "list " + strings.Join(names, "|"), Short: "List what this build knows", Long: listHelp,
			Args: checked(cobra.ExactArgs(1)), ValidArgs: names,
			RunE: func(_ *cobra.Command, args []string) error {
				list, known := lists[args[0]]
				if !known {
					return usage(fmt.Errorf("list: unknown list %q: it is %s", args[0], strings.Join(names, ", ")))
				}
				if format != "table" {
					return listAs(s.out, args[0], format)
				}
				w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
				list(w, verbose)
				return w.Flush()
			},
		}
		cmd.Flags().BoolVar(&verbose, "verbose", false, "with steps, controls, fixes, limits and references")
		cmd.Flags().StringVar(&format, "format", "table", "table, or json (of presets)")
		return cmd
	})
}

// listAs prints a list in another form than the table.
func listAs(w io.Writer, name, format string) error {
	list, has := jsonLists[name]
	if format != "json" || !has {
		return usage(fmt.Errorf("list: no format %q of %s: table is one of every list, json of %s",
			format, name, strings.Join(slices.Sorted(maps.Keys(jsonLists)), ", ")))
	}
	if err := list(w); err != nil {
		return failed(fmt.Errorf("printing the list: %w", err))
	}
	return nil
}
