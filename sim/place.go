package sim

import (
	"fmt"
	"path/filepath"

	"github.com/originpull/originpull/scenarios"
)

// fileName is what a result keeps of the scenario's file: never where on this
// machine it lies.
func fileName(name string) string {
	if filepath.IsAbs(name) {
		name = filepath.Base(name)
	}
	return filepath.ToSlash(filepath.Clean(name))
}

// line is where the experiment stands in the scenario's file: its attempts
// where it has some.
func (c *compiler) line(e *scenarios.Experiment) int {
	path := fmt.Sprintf("experiments[%d]", e.Index)
	if e.Bypass != nil {
		path += ".bypass"
	}
	_, line := c.scenario.Position(path)
	return line
}
