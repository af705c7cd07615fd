package edge

import (
	"net/http"
	"slices"
	"testing"
)

func TestLoop(t *testing.T) {
	for _, test := range []struct {
		name, loop string
		viewer     []string
		looped     bool
		sent       [][2]string // of CDN-Loop
	}{
		{"no name", "", []string{"lab"}, false, [][2]string{{"Cdn-Loop", "lab"}}},
		{"first edge", "lab", nil, false, [][2]string{{"Cdn-Loop", "lab"}}},
		{"behind another", "lab", []string{"other; v=1"}, false, [][2]string{{"Cdn-Loop", "other; v=1, lab"}}},
		{"behind two lines", "lab", []string{"a", "b"}, false, [][2]string{{"Cdn-Loop", "a, b, lab"}}},
		{"itself", "lab", []string{"other, LAB;x=1"}, true, nil},
		{"a longer name", "lab", []string{"laboratory"}, false, [][2]string{{"Cdn-Loop", "laboratory, lab"}}},
	} {
		e := &Edge{cfg: Config{Loop: test.loop}}
		e.aim.Store(&Aim{})
		viewer := http.Header{"Cdn-Loop": test.viewer, "Accept": {"*/*"}}
		if got := e.looped(viewer); got != test.looped {
			t.Errorf("%s: looped is %v", test.name, got)
		}
		want := append([][2]string{{"Accept", "*/*"}}, test.sent...)
		if got := e.header(viewer); !test.looped && !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", test.name, got, want)
		}
	}
}
