package results

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

//go:embed result.schema.json
var schema []byte

// Schema returns the JSON Schema (2020-12) of the result document.
func Schema() ([]byte, error) {
	if !json.Valid(schema) {
		return nil, errors.New("the embedded schema of the result document is not JSON")
	}
	return slices.Clone(schema), nil
}

// Encode writes the document as indented JSON in a stable order. It sets the
// schema name, writes empty lists as [], seals anew what was sealed, and writes
// nothing when Validate finds a problem.
func Encode(w io.Writer, r *Result) error {
	if r.Sum != "" {
		sealed := *r
		if err := Seal(&sealed); err != nil {
			return err
		}
		r = &sealed
	}
	text, err := encoded(r)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("writing a result: %w", err)
	}
	return nil
}

func encoded(r *Result) ([]byte, error) {
	document := normalised(r)
	if err := Validate(document); err != nil {
		return nil, fmt.Errorf("encoding a result: %w", err)
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(document); err != nil {
		return nil, fmt.Errorf("encoding a result: %w", err)
	}
	return text.Bytes(), nil
}

// normalised returns a shallow copy without nil lists and maps where the
// schema requires one.
func normalised(r *Result) *Result {
	c := *r
	c.Schema = SchemaName
	c.Experiments = list(c.Experiments)
	c.Pairs = list(c.Pairs)
	c.Bypass = list(c.Bypass)
	c.Expectations = list(c.Expectations)
	c.Validity.Warnings = list(c.Validity.Warnings)
	c.Validity.AA = table(c.Validity.AA)
	c.Validity.Generator = table(c.Validity.Generator)
	c.Findings = slices.Clone(c.Findings)
	for i := range c.Findings {
		c.Findings[i].Rows = list(c.Findings[i].Rows)
	}
	c.Controls = slices.Clone(c.Controls)
	for i := range c.Controls {
		c.Controls[i].Cases = list(c.Controls[i].Cases)
	}
	c.Arms = list(slices.Clone(c.Arms))
	for i := range c.Arms {
		a := &c.Arms[i]
		a.Axes = table(a.Axes)
		a.Metrics = table(a.Metrics)
		a.Trials = list(slices.Clone(a.Trials))
		for j := range a.Trials {
			a.Trials[j].Metrics = table(a.Trials[j].Metrics)
			if found := a.Trials[j].Search; found != nil {
				search := *found
				search.SLO, search.Steps = list(search.SLO), list(search.Steps)
				a.Trials[j].Search = &search
			}
		}
	}
	c.Pairs = slices.Clone(c.Pairs)
	for i := range c.Pairs {
		c.Pairs[i].Estimates = list(c.Pairs[i].Estimates)
	}
	return &c
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func table[T any](m map[string]T) map[string]T {
	if m == nil {
		return map[string]T{}
	}
	return m
}

// Decode reads one document and validates it. Fields that it does not know
// are ignored, because a version only ever grows; another schema name, a cut
// file and anything after the document are errors.
func Decode(r io.Reader) (*Result, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading a result: %w", err)
	}
	var head struct {
		Schema *string `json:"schema"`
	}
	if err := unmarshal(text, &head); err != nil {
		return nil, err
	}
	if err := checkSchemaName(head.Schema); err != nil {
		return nil, err
	}
	var result Result
	if err := unmarshal(text, &result); err != nil {
		return nil, err
	}
	if err := checkSeal(text, result.Sum); err != nil {
		return nil, err
	}
	if err := Validate(&result); err != nil {
		return nil, fmt.Errorf("not a usable result: %w", err)
	}
	return &result, nil
}

// unmarshal turns the errors of encoding/json into one sentence each.
func unmarshal(text []byte, v any) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("not a result: the file is empty")
	}
	err := json.Unmarshal(text, v)
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(text)):
		return fmt.Errorf("the result is cut off: its JSON ends unfinished at byte %d", len(text))
	case errors.As(err, &syntax):
		return fmt.Errorf("not a result: invalid JSON at byte %d: %w", syntax.Offset, err)
	case errors.As(err, &wrong) && wrong.Field == "":
		return fmt.Errorf("not a result: the document is a JSON %s, want an object", wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("not a result: field %s holds a JSON %s, want %s", wrong.Field, wrong.Value, wrong.Type)
	}
	return fmt.Errorf("not a result: %w", err)
}

func checkSchemaName(name *string) error {
	family, _, _ := strings.Cut(SchemaName, "/")
	switch {
	case name == nil:
		return fmt.Errorf("not a result: it has no field \"schema\", want %q", SchemaName)
	case *name == SchemaName:
		return nil
	case strings.HasPrefix(*name, family+"/"):
		return fmt.Errorf("the result is of schema %q and this originpull reads %q: use the version that wrote it", *name, SchemaName)
	}
	return fmt.Errorf("not a result: its schema is %q, want %q", *name, SchemaName)
}
