package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/results/report"
)

func init() {
	register(func(s streams) *cobra.Command {
		cmd := &cobra.Command{
			Use: "report RESULT", Short: "Print the report of a kept run or gate: its folder, its result.json or gate.json",
			Args: checked(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				v, err := settings(cmd)
				if err != nil {
					return err
				}
				if file, is := gateIn(args[0]); is {
					return reportGate(s.out, file, v)
				}
				options, err := outputOptions(v, s.out)
				if err != nil {
					return err
				}
				result, err := readResult(args[0])
				if err != nil {
					return usage(err)
				}
				return options.render(s.out, result)
			},
		}
		addOutputFlags(cmd)
		return cmd
	})
}

// gateIn finds the document of a gate: the file of that name, or the one in a
// folder that holds no run.
func gateIn(name string) (string, bool) {
	if filepath.Base(name) == gateFile {
		return name, true
	}
	file := filepath.Join(name, gateFile)
	_, err := os.Stat(file)
	return file, err == nil
}

func reportGate(out io.Writer, name string, v *viper.Viper) error {
	format := v.GetString("format")
	if !slices.Contains(report.GateFormats(), format) {
		return usage(fmt.Errorf("unknown format %q of a gate: it is %s", format, strings.Join(report.GateFormats(), ", ")))
	}
	options, err := colorOption(v.GetString("color"), out)
	if err != nil {
		return err
	}
	options.Width = terminalWidth(out)
	g, err := readGate(name)
	if err != nil {
		return usage(err)
	}
	return report.RenderGate(out, format, g, options)
}

// readGate reads the document of a gate.
func readGate(name string) (*results.GateReport, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading a gate: %w", err)
	}
	defer func() { _ = file.Close() }()
	g, err := results.DecodeGate(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return g, nil
}

// readResult reads a result file, or the one in a run's folder.
func readResult(name string) (*results.Result, error) {
	if stat, err := os.Stat(name); err == nil && stat.IsDir() {
		name = filepath.Join(name, resultFile)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading a result: %w", err)
	}
	defer func() { _ = file.Close() }()
	result, err := results.Decode(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return result, nil
}
