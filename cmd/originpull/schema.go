package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
)

func init() {
	register(func(s streams) *cobra.Command {
		schemas := map[string]func() ([]byte, error){"scenario": scenarios.Schema, "result": results.Schema}
		return &cobra.Command{
			Use: "schema scenario|result", Short: "Print a JSON Schema (2020-12), for editors and for readers of results",
			Args: checked(cobra.ExactArgs(1)), ValidArgs: []string{"scenario", "result"},
			RunE: func(_ *cobra.Command, args []string) error {
				schema, known := schemas[args[0]]
				if !known {
					return usage(fmt.Errorf("schema: unknown document %q: it is scenario or result", args[0]))
				}
				text, err := schema()
				if err != nil {
					return failed(err)
				}
				_, err = fmt.Fprintf(s.out, "%s\n", text)
				return err
			},
		}
	})
}
