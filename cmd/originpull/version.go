package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func init() {
	register(func(s streams) *cobra.Command {
		return &cobra.Command{
			Use: "version", Short: "Say which build this is", Args: checked(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				version, revision := "(devel)", ""
				if build, ok := debug.ReadBuildInfo(); ok {
					version = build.Main.Version
					for _, setting := range build.Settings {
						if setting.Key == "vcs.revision" {
							revision = " " + setting.Value
						}
					}
				}
				_, err := fmt.Fprintf(s.out, "originpull %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			},
		}
	})
}
