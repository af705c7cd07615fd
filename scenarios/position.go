package scenarios

import (
	"regexp"
	"strings"
)

var experimentPrefix = regexp.MustCompile(`^experiments\[\d+\]\.`)

// lookUp finds where the value of a path was written: at the path itself, at
// the top level that an experiment inherits from, or else at the nearest
// parent.
func lookUp(places map[string]place, path string) place {
	for {
		if at, ok := places[path]; ok {
			return at
		}
		if at, ok := places[experimentPrefix.ReplaceAllString(path, "")]; ok {
			return at
		}
		if path == "" {
			return place{}
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// Position returns where the value of a path, such as
// experiments[1].bypass.cases[2], was written: the file and the line, or for a
// value of the command line "--set path=value" and 0. For a path that was not
// written it is the place that it is inherited from, or its nearest parent.
func (s *Scenario) Position(path string) (file string, line int) {
	at := lookUp(s.places, path)
	if at.file == "" {
		return s.File, 0
	}
	return at.file, at.line
}

// Problem returns a problem at the Position of a path.
func (s *Scenario) Problem(path, message string) Problem {
	file, line := s.Position(path)
	return Problem{File: file, Line: line, Field: path, Message: message}
}
