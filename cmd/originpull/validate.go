package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim"
)

func init() {
	register(func(s streams) *cobra.Command {
		var sets []string
		cmd := &cobra.Command{
			Use: "validate SCENARIO…", Short: "Check scenarios without running them: every problem with its line",
			Args: checked(cobra.MinimumNArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				var problems error
				for _, name := range args {
					plan, err := compile(name, sets)
					if err != nil {
						problems = errors.Join(problems, err)
						continue
					}
					if _, err := fmt.Fprintf(s.out, "%s: valid: %s, %s, about %.0f s\n", name, counted(len(plan.Experiments), "experiment"), counted(arms(plan), "arm"), plan.PlannedSeconds); err != nil {
						return err
					}
					for _, why := range sim.NotHere(cmd.Context(), plan) {
						if _, err := fmt.Fprintf(s.err, "%s: %s\n", name, why); err != nil {
							return err
						}
					}
				}
				if problems != nil {
					return exitError{code: exitUsage, err: problems}
				}
				return nil
			},
		}
		cmd.Flags().StringArrayVar(&sets, "set", nil, "override a value, as path=value (repeatable)")
		return cmd
	})
}

// compile reads a scenario, from a file or the library, and resolves it. Its
// error holds every problem of the document and of the plan.
func compile(name string, sets []string) (*sim.Plan, error) {
	source, err := scenarios.Open(name)
	if err != nil {
		return nil, err
	}
	source.Set, source.Presets = sets, presetTable()
	scenario, loadErr := scenarios.Load(source)
	var problems scenarios.Problems
	if loadErr != nil && (!errors.As(loadErr, &problems) || scenario == nil) {
		return nil, loadErr
	}
	plan, err := sim.Compile(scenario)
	var more scenarios.Problems
	if errors.As(err, &more) {
		problems = problems.With(more...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return plan, err
}

func arms(plan *sim.Plan) int {
	n := 0
	for _, x := range plan.Experiments {
		n += len(x.Arms)
	}
	return n
}
