package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/originpull/originpull/results"
)

// Options are what the reader's side decides. The zero value is a report of
// 100 columns without colour.
type Options struct {
	Width int  // columns; 0 = 100, at least 80
	Color bool // ANSI escape sequences
}

// Format is one way to show a result.
type Format struct {
	Name  string
	Title string // one line for a person
}

type format struct {
	Format
	render func(*bytes.Buffer, *results.Result, Options) error
}

// formats is the private registry, sorted by name.
var formats []format

// register adds a format. Its result lets a file register with a variable.
func register(f format) {
	at, taken := slices.BinarySearchFunc(formats, f.Name, func(f format, name string) int { return strings.Compare(f.Name, name) })
	if taken {
		panic("report: format " + f.Name + " is registered twice")
	}
	formats = slices.Insert(formats, at, f)
}

// Formats lists the formats by name.
func Formats() []Format {
	out := make([]Format, len(formats))
	for i, f := range formats {
		out[i] = f.Format
	}
	return out
}

// Render writes the result in the named format. On an error nothing has been
// written, unless the writer itself failed.
func Render(w io.Writer, name string, r *results.Result, o Options) error {
	i := slices.IndexFunc(formats, func(f format) bool { return f.Name == name })
	if i < 0 {
		names := make([]string, len(formats))
		for i, f := range formats {
			names[i] = f.Name
		}
		return fmt.Errorf("unknown report format %q: use one of %s", name, strings.Join(names, ", "))
	}
	var out bytes.Buffer
	if err := formats[i].render(&out, r, o); err != nil {
		return fmt.Errorf("rendering the %s report: %w", name, err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("writing the %s report: %w", name, err)
	}
	return nil
}
