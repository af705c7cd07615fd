package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFile is the largest scenario that is read, in bytes.
const maxFile = 1 << 20

// parse turns the bytes of a file into the node of its only document. The node
// is nil when there is nothing to walk.
func parse(src Source) (*yaml.Node, Problems) {
	problem := func(line int, message string) Problems {
		return Problems{{File: src.File, Line: line, Message: message}}
	}
	if len(src.Content) > maxFile {
		return nil, problem(0, "is larger than 1MiB, which no scenario needs; split it into several")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(src.Content))
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		return nil, problem(0, "is empty; a scenario starts with version: 1")
	case err != nil:
		line, message := syntaxError(src.Content, err)
		return nil, problem(line, message)
	}
	root := first.Content[0]
	if root.ShortTag() == "!!null" {
		return nil, problem(0, "is empty; a scenario starts with version: 1")
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		return root, nil
	case err != nil:
		line, message := syntaxError(src.Content, err)
		return root, problem(line, message)
	}
	return root, problem(second.Line, "a second document starts here; a file holds one scenario, so move it to a file of its own")
}

var (
	yamlLine   = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)
	yamlAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxError turns an error of the YAML parser into a line and a sentence.
// The parser leaves out the line of some errors, and counts from zero in others.
func syntaxError(content []byte, err error) (int, string) {
	match := yamlLine.FindStringSubmatch(err.Error())
	message := err.Error()[len(match[0]):]
	line, convErr := strconv.Atoi(match[1])
	if convErr != nil {
		line = guessLine(content, message)
	}
	if strings.Contains(message, "cannot start any token") && bytes.ContainsRune(content, '\t') {
		message += " (YAML indents with spaces, never tabs)"
	}
	return line, fmt.Sprintf("is not YAML: %s; correct the syntax here or just above", message)
}

// guessLine finds what an error without a line complains about.
func guessLine(content []byte, message string) int {
	at := -1
	if match := yamlAnchor.FindStringSubmatch(message); match != nil {
		at = bytes.Index(content, []byte("*"+match[1]))
	} else {
		for i := 0; i < len(content) && at < 0; {
			r, size := utf8.DecodeRune(content[i:])
			if r == utf8.RuneError && size <= 1 || r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f {
				at = i
			}
			i += size
		}
	}
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(content[:at], []byte("\n"))
}
