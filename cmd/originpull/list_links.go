package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/originpull/originpull/wire"
)

// listLinks says what each kind of link can do, and whether this machine has it.
func listLinks(w io.Writer, verbose bool) {
	for _, name := range wire.Kinds() {
		kind, _ := wire.KindOf(name)
		here := "here"
		if err := kind.Available(); err != nil {
			here = "not here: " + err.Error()
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", kind.Name, kind.Summary, here)
		if !verbose {
			continue
		}
		_, _ = fmt.Fprintf(w, "\t  keys: %s\n", strings.Join(append([]string{"kind"}, linkKeys(kind)...), ", "))
		for _, can := range []struct {
			does bool
			yes  string
			no   string
		}{
			{kind.Packets || kind.CPU, "carries h1, h2 and h3", "carries h1 and h2"},
			{kind.Servers, "real servers can be the origin", "the origin is the built-in one"},
			{kind.CPU, "CPU and throughput are measured", "no CPU: it wakes up on somebody's account"},
		} {
			text := can.no
			if can.does {
				text = can.yes
			}
			_, _ = fmt.Fprintf(w, "\t  %s\n", text)
		}
	}
}

// linkKeys are the keys of a scenario's link that a kind honours.
func linkKeys(kind wire.Kind) (keys []string) {
	for _, key := range kind.Honours() {
		if key != "initialWindow" && key != "mss" { // of tests
			keys = append(keys, key)
		}
	}
	return keys
}
