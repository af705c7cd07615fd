package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

//go:embed starters/scenario.yaml
var starterScenario string

//go:embed starters/external.yaml
var starterExternal string

const initHelp = `Write a scenario with comments, to change into your own. It is valid as it
stands: handshakes, a pool and attempts, against the built-in origin.

  originpull init ours.yaml
  originpull run ./ours.yaml

Without a name it goes to standard output. A file that is there stays as it is.`

func init() {
	register(func(s streams) *cobra.Command {
		var external bool
		cmd := &cobra.Command{
			Use: "init [FILE]", Short: "Write a scenario with comments, to begin with", Long: initHelp,
			Args: checked(cobra.MaximumNArgs(1)),
			RunE: func(_ *cobra.Command, args []string) error {
				text := starterScenario
				if external {
					text = starterExternal
				}
				if len(args) == 0 {
					_, err := io.WriteString(s.out, text)
					return err
				}
				file, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
				if errors.Is(err, fs.ErrExist) {
					return usage(fmt.Errorf("%s is there already: name another file", args[0]))
				}
				if err != nil {
					return usage(fmt.Errorf("writing a scenario: %w", err))
				}
				_, err = io.WriteString(file, text)
				if err = errors.Join(err, file.Close()); err != nil {
					return failed(fmt.Errorf("writing %s: %w", args[0], errors.Join(err, os.Remove(args[0]))))
				}
				_, _ = fmt.Fprintf(s.err, "originpull: %s is written; try: originpull run ./%s\n", args[0], args[0])
				return nil
			},
		}
		cmd.Flags().BoolVar(&external, "external", false, "for attempts on an origin that runs somewhere (docs/external.md)")
		return cmd
	})
}
