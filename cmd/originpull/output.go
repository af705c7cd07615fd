package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"
	"golang.org/x/term"

	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/results/report"
)

// addOutputFlags adds what every command that prints a report takes.
func addOutputFlags(cmd *cobra.Command) {
	cmd.Flags().String("format", "table", "how to print the result: "+strings.Join(formatNames(), ", "))
	cmd.Flags().String("color", "auto", "auto, always or never")
}

// output is how a result is printed.
type output struct {
	format  string
	options report.Options
}

func outputOptions(v *viper.Viper, w io.Writer) (output, error) {
	o := output{format: v.GetString("format")}
	if !slices.Contains(formatNames(), o.format) {
		return o, usage(fmt.Errorf("unknown format %q: it is %s", o.format, strings.Join(formatNames(), ", ")))
	}
	var err error
	o.options, err = colorOption(v.GetString("color"), w)
	o.options.Width = terminalWidth(w)
	return o, err
}

// colorOption is whether to print in colour.
func colorOption(color string, w io.Writer) (report.Options, error) {
	switch color {
	case "always":
		return report.Options{Color: true}, nil
	case "never":
		return report.Options{}, nil
	case "auto":
		return report.Options{Color: isTerminal(w) && os.Getenv("NO_COLOR") == ""}, nil
	}
	return report.Options{}, usage(fmt.Errorf("unknown color %q: it is auto, always or never", color))
}

func formatNames() []string {
	var names []string
	for _, f := range report.Formats() {
		names = append(names, f.Name)
	}
	return names
}

func (o output) render(w io.Writer, result *results.Result) error {
	if err := report.Render(w, o.format, result, o.options); err != nil {
		return failed(fmt.Errorf("printing the report: %w", err))
	}
	return nil
}

// terminalWidth is the columns of the terminal that w is: as COLUMNS says, or
// else the terminal itself; 0 where there is none.
func terminalWidth(w io.Writer) int {
	if !isTerminal(w) {
		return 0
	}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		return columns
	}
	if file, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			return width
		}
	}
	return 0
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
