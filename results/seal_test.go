package results

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func sealed(t *testing.T) string {
	t.Helper()
	r := &Result{Scenario: Scenario{Name: "x"}, Arms: []Arm{{Name: "a", Role: RoleArm, Metrics: map[string]Value{"handshake.rtts": NewValue("handshake.rtts", 2, 9)}}}}
	if err := Seal(r); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Encode(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestSeal(t *testing.T) {
	text := sealed(t)
	for name, change := range map[string]struct {
		old, new string
		edited   bool
	}{
		"as written":            {"x", "x", false},
		"other spaces":          {"\n", "\n\t", false},
		"a number":              {`"value": 2`, `"value": 1`, true},
		"a name":                {`"name": "x"`, `"name": "y"`, true},
		"a field more":          {`"elapsed": 0,`, `"elapsed": 0, "new": 1,`, true},
		"the sum":               {`"sum": "sha256:`, `"sum": "sha256:0`, true},
		"no sum, like old ones": {text[strings.Index(text, `  "sum"`):strings.Index(text, `  "scenario"`)], "", false},
	} {
		_, err := Decode(strings.NewReader(strings.ReplaceAll(text, change.old, change.new)))
		if errors.Is(err, ErrEdited) != change.edited || err != nil && !change.edited {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is read and written again stays sealed, and changed in between is
// sealed anew: only files are protected.
func TestSealSurvivesEncode(t *testing.T) {
	text := sealed(t)
	r, err := Decode(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := Encode(&again, r); err != nil || again.String() != text {
		t.Errorf("%v\n%s", err, again.String())
	}
	r.Scenario.Name = "y"
	again.Reset()
	if err := Encode(&again, r); err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(&again); err != nil {
		t.Error(err)
	}
}
