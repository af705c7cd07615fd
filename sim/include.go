package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/scenarios"
)

// IncludePlan is a file of directives for a real server, read when the scenario
// was compiled. A result keeps its digest and never its text: nobody knows what
// else such a file holds.
type IncludePlan struct {
	Bytes  int    `json:"bytes"`
	Digest string `json:"digest"` // "sha256:" and the hash of the file

	text string
}

// mostIncluded bounds such a file, in bytes.
const mostIncluded = 64 << 10

// includes reads the files that the experiments name, each once, into the plan.
func (c *compiler) includes(plan *Plan) {
	seen := map[string]string{} // the file by the name that a result shows
	for i := range plan.Experiments {
		for j := range plan.Experiments[i].Arms {
			s := &plan.Experiments[i].Arms[j].Settings
			origins := []*scenarios.Origin{&s.Origin}
			s.Origins = slices.Clone(s.Origins) // arms share it
			for k := range s.Origins {
				origins = append(origins, &s.Origins[k].Origin)
			}
			for _, o := range origins {
				if err := c.includeIn(plan, o, seen); err != nil {
					c.problem(fmt.Sprintf("experiments[%d].origin.include", i), "%v", err)
					return
				}
			}
		}
	}
	if len(plan.Includes) > 0 && len(c.problems) == 0 {
		plan.Digest = digestWith(plan.Digest, plan.Includes, func(p *IncludePlan) string { return p.Digest })
	}
}

// includeIn reads what an origin includes, and leaves the file's last name.
func (c *compiler) includeIn(plan *Plan, o *scenarios.Origin, seen map[string]string) error {
	if o.Include == "" {
		return nil
	}
	file := o.Include
	o.Include = fileName(file) // no more of a path than a report may show
	if driver, known := origin.DriverNamed(o.Server); known && driver.Include == "" {
		return fmt.Errorf("the configuration of %s is written whole, and has no place for %s: choose %s", o.Server, file, strings.Join(including(), " or "))
	}
	if before, taken := seen[o.Include]; taken && before != file {
		return fmt.Errorf("%s and %s would be one name in a result: rename one of them", before, file)
	}
	seen[o.Include] = file
	if plan.Includes[o.Include] != nil {
		return nil
	}
	included, err := c.include(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if plan.Includes == nil {
		plan.Includes = map[string]*IncludePlan{}
	}
	plan.Includes[o.Include] = included
	return nil
}

// including are the servers that take such a file.
func including() (names []string) {
	for _, d := range origin.Drivers() {
		if d.Include != "" {
			names = append(names, d.Name)
		}
	}
	return slices.Clip(names)
}

func (c *compiler) include(file string) (*IncludePlan, error) {
	at := file
	if !filepath.IsAbs(at) {
		at = filepath.Join(filepath.Dir(c.scenario.File), at)
	}
	f, err := os.Open(at)
	if err != nil {
		return nil, errors.Unwrap(err) // the path is in the sentence
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, mostIncluded+1))
	switch {
	case err != nil:
		return nil, errors.Unwrap(err)
	case len(content) > mostIncluded:
		return nil, fmt.Errorf("it is larger than %d KiB: is it a file of directives", mostIncluded>>10)
	case !utf8.Valid(content) || slices.Contains(content, 0):
		return nil, errors.New("it is no text in UTF-8")
	case len(strings.TrimSpace(string(content))) == 0:
		return nil, errors.New("there is nothing in it: leave it out")
	}
	sum := sha256.Sum256(content)
	return &IncludePlan{Bytes: len(content), Digest: "sha256:" + hex.EncodeToString(sum[:]), text: string(content)}, nil
}

// included are the directives for an arm's server.
func (p *Plan) included(a *Arm) string {
	if i := p.Includes[a.Settings.Origin.Include]; i != nil {
		return i.text
	}
	return ""
}
