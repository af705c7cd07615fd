package main

import (
	"github.com/spf13/cobra"

	"github.com/originpull/originpull/sim"
)

func init() {
	register(func(s streams) *cobra.Command {
		return &cobra.Command{
			Use: "worker ROLE", Hidden: true, Args: checked(cobra.ExactArgs(1)),
			Short: "One side of the hop, driven over standard input by a run",
			RunE: func(cmd *cobra.Command, args []string) error {
				if err := sim.ServeWorker(cmd.Context(), args[0], s.in, s.out); err != nil {
					return failed(err)
				}
				return nil
			},
		}
	})
}
