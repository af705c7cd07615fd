package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/originpull/originpull/sim"
	"github.com/originpull/originpull/sim/consent"
)

// consentFlags are read from the command line alone, never from the environment
// or a settings file: those come along with a pull request.
type consentFlags struct {
	target    string
	own       bool
	intrusive bool
}

func (c *consentFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.target, "allow-target", "", "HOST:PORT of an external origin that attempts may be made on")
	cmd.Flags().BoolVar(&c.own, "i-own-this-origin", false, "by what right --allow-target says so")
	cmd.Flags().BoolVar(&c.intrusive, "intrusive", false, "make attempts on an external origin that are more than one bad request: guesses, huge keys")
}

// ask finds the consent of every external origin of the plan, before anything
// is started or sent.
func (c *consentFlags) ask(ctx context.Context, plan *sim.Plan, world consent.Lookup, told io.Writer) (map[string]consent.Consent, error) {
	given := map[string]consent.Consent{}
	for i := range plan.Experiments {
		x := &plan.Experiments[i]
		if x.Bypass == nil || x.Bypass.External == nil {
			continue
		}
		target, err := x.Bypass.External.Target(ctx, world)
		if err == nil {
			given[x.Name], err = world.Ask(ctx, target, consent.Spoken{Target: c.target, Own: c.own})
		}
		if err != nil {
			return nil, usage(fmt.Errorf("experiment %q: %w", x.Name, err))
		}
		_, _ = fmt.Fprintf(told, "originpull: experiment %q makes attempts on %s (%s) until %s at the latest; consent: %s\n",
			x.Name, target.Address, target.Name, given[x.Name].Until.UTC().Format(time.RFC3339), given[x.Name].By)
	}
	if len(given) == 0 && (c.target != "" || c.own || c.intrusive) {
		return nil, usage(errors.New("--allow-target, --i-own-this-origin and --intrusive are about an external origin, and this scenario has none (origin.server: external)"))
	}
	return given, nil
}
