package edge

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// ErrLoop is wrapped by the error of a pull that has come from this edge
// itself, by way of an origin that asks the CDN again.
var ErrLoop = errors.New("the request has passed this edge before (CDN-Loop)")

const loopHeader = "Cdn-Loop"

// looped says whether CDN-Loop names this edge. An entry may have parameters
// behind its name.
func (e *Edge) looped(viewer http.Header) bool {
	if e.cfg.Loop == "" {
		return false
	}
	for _, line := range viewer[loopHeader] {
		for entry := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(entry, ";")
			if strings.EqualFold(strings.TrimSpace(name), e.cfg.Loop) {
				return true
			}
		}
	}
	return false
}

// loop is CDN-Loop with this edge behind those before it.
func (e *Edge) loop(viewer http.Header) string {
	return strings.Join(append(slices.Clone(viewer[loopHeader]), e.cfg.Loop), ", ")
}
