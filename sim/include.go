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
	paths := map[string]string{} // by the name that a result shows
	for i := range plan.Experiments {
		x := &plan.Experiments[i]
		for j := range x.Arms {
			o := &x.Arms[j].Settings.Origin
			if o.Include == "" {
				continue
			}
			file := o.Include
			o.Include = fileName(file)
			path := fmt.Sprintf("experiments[%d].origin.include", i)
			if driver, known := origin.DriverNamed(o.Server); known && driver.Include == "" {
				c.problem(path, "the configuration of %s is written whole, and has no place for %s: choose %s", o.Server, file, strings.Join(including(), " or "))
				return
			}
			if before, taken := paths[o.Include]; taken && before != file {
				c.problem(path, "%s and %s would be one name in a result: rename one of them", before, file)
				return
			}
			paths[o.Include] = file
			if plan.Includes[o.Include] != nil {
				continue
			}
			included, err := c.include(file)
			if err != nil {
				c.problem(path, "%s: %v", file, err)
				return
			}
			if plan.Includes == nil {
				plan.Includes = map[string]*IncludePlan{}
			}
			plan.Includes[o.Include] = included
		}
	}
	if len(plan.Includes) > 0 && len(c.problems) == 0 {
		plan.Digest = digestWith(plan.Digest, plan.Includes, func(p *IncludePlan) string { return p.Digest })
	}
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
