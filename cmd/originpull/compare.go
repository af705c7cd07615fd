package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/results/report"
)

const compareHelp = `Set kept runs side by side: their folders or their result.json. Every value has
its interval. Exact things (round trips, bytes, bypass verdicts) and the ratios
that a run measured in itself are called same or differing; CPU and times are
only shown, because two runs are two states of a machine.

  originpull list results
  originpull compare results/runs/A results/runs/B
  originpull compare A B C --metric latency.p90 --metric origin.requests`

func init() {
	register(func(s streams) *cobra.Command {
		var metrics []string
		cmd := &cobra.Command{
			Use: "compare RESULT RESULT...", Short: "Set kept runs side by side", Long: compareHelp,
			Args: checked(cobra.MinimumNArgs(2)),
			RunE: func(cmd *cobra.Command, args []string) error {
				v, err := settings(cmd)
				if err != nil {
					return err
				}
				options, err := colorOption(v.GetString("color"), s.out)
				if err != nil {
					return err
				}
				return compareResults(s.out, args, metrics, options)
			},
		}
		cmd.Flags().StringArrayVar(&metrics, "metric", nil, "show this metric instead of the usual ones (repeatable)")
		cmd.Flags().String("color", "auto", "auto, always or never")
		return cmd
	})
}

func compareResults(w io.Writer, files, metrics []string, options report.Options) error {
	all := make([]*results.Result, len(files))
	names := make([]string, len(files))
	for i, file := range files {
		var err error
		if all[i], err = readResult(file); err != nil {
			return usage(err)
		}
		if err := all[i].CheckHistograms(); err != nil {
			return usage(fmt.Errorf("%s: %w", file, err))
		}
		names[i] = string(rune('A'+i%26)) + " " + shortName(file)
	}
	comparison, err := results.Compare(all, metrics)
	if err != nil {
		return usage(err)
	}
	options.Width = terminalWidth(w)
	if err := report.RenderComparison(w, comparison, names, options); err != nil {
		return failed(err)
	}
	return nil
}

// shortName heads a column: the folder of a run, or a file's own name.
func shortName(file string) string {
	if filepath.Base(file) == resultFile {
		file = filepath.Dir(file)
	}
	return filepath.Base(filepath.Clean(file))
}
