package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"
)

// streams is where a command reads and writes: results go to out, progress
// and diagnostics to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// commands is the private registry: one file adds one command.
var commands []func(streams) *cobra.Command

func register(command func(streams) *cobra.Command) { commands = append(commands, command) }

const about = `originpull answers: what does an origin pull cost, and who else can make one?

A simulated CDN edge with a connection pool and a cache pulls from an mTLS
origin on this machine. It compares TLS 1.2 with 1.3 and server-auth with
mTLS, shows what pool and cache save, and tries to get round an IP allowlist,
a secret header and mTLS.

  originpull run quickstart      all of it in under a minute
  originpull list scenarios      what else there is
  originpull doctor              what this machine can measure

Exit codes: 0 pass, 1 the run failed, 2 usage or invalid scenario, 3 an
expectation, a gate or a bypass verdict failed, 4 inconclusive.

Settings come from flags, then ORIGINPULL_* variables (ORIGINPULL_FORMAT),
then the file given with --config. A run's traffic stays on this machine, unless
an external origin's owner consents (docs/external.md).`

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use: "originpull", Short: "What does an origin pull cost, and who else can make one?", Long: about,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.PersistentFlags().String("config", "", "settings file (YAML, TOML or JSON)")
	for _, command := range commands {
		root.AddCommand(command(s))
	}
	return root
}

// fileOnly annotates a command with the one key of its settings file that no flag
// can say.
const fileOnly = "file-only"

// settings layers a command's flags over ORIGINPULL_* and a settings file.
func settings(cmd *cobra.Command) (*viper.Viper, error) {
	v := viper.New()
	v.SetEnvPrefix("ORIGINPULL")
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AutomaticEnv()
	if err := v.BindPFlags(cmd.Flags()); err != nil {
		return nil, fmt.Errorf("reading flags: %w", err)
	}
	if file := v.GetString("config"); file != "" {
		v.SetConfigFile(file)
		if err := v.ReadInConfig(); err != nil {
			return nil, usage(fmt.Errorf("settings file %s: %w", file, err))
		}
		for _, key := range v.AllKeys() {
			if cmd.Flags().Lookup(key) == nil && cmd.Annotations[fileOnly] != key {
				return nil, usage(fmt.Errorf("settings file %s: %q is no setting of %q", file, key, cmd.CommandPath()))
			}
		}
	}
	return v, nil
}

// checked refuses positional arguments in the words of the command.
func checked(args cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := args(cmd, given); err != nil {
			return usage(fmt.Errorf("%s: %w; see originpull help %s", cmd.Name(), err, cmd.Name()))
		}
		return nil
	}
}
