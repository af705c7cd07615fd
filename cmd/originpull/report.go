package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/results"
)

func init() {
	register(func(s streams) *cobra.Command {
		cmd := &cobra.Command{
			Use: "report RESULT", Short: "Print the report of a kept run: its folder or its result.json",
			Args: checked(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				v, err := settings(cmd)
				if err != nil {
					return err
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
