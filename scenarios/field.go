package scenarios

import (
	"reflect"
	"regexp"
	"strings"
)

// field is one key of the document, as its struct tags describe it.
type field struct {
	key      string
	index    []int // for reflect.Value.FieldByIndex
	typ      reflect.Type
	doc      string
	enum     []string
	min, max string
	items    int
	pattern  string
	required bool
	noAxis   bool
}

// pattern is what a string must look like.
type pattern struct {
	form  *regexp.Regexp
	words string // completes "… is expected"
}

var patterns = map[string]pattern{
	"name":  {regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`), "a name of letters, digits, - and _ (at most 64)"},
	"value": {regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`), "a name of letters, digits, - _ + and . (at most 64)"},
	"token": {regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$"), "a header name"},
	"label": {regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`), "a name of small letters, digits and - (at most 32)"},
	"below": {regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+/\*$`), "a path that ends in /*, such as /api/*,"},
	"host":  {regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`), "a host's name in small letters, or *. and one, such as *.static.example,"},
	"line":  {regexp.MustCompile(`^[^\x00-\x1f\x7f]*$`), "text on one line"},
}

// fieldsOf returns the keys of a struct in the order of its fields, those of
// inlined structs in their place.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		key, option, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if option == "inline" {
			for _, inner := range fieldsOf(sf.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
			continue
		}
		if key == "" || key == "-" {
			continue
		}
		fields = append(fields, newField(key, sf))
	}
	return fields
}

func newField(key string, sf reflect.StructField) field {
	f := field{
		key: key, index: sf.Index, typ: sf.Type,
		doc: sf.Tag.Get("doc"), min: sf.Tag.Get("min"), max: sf.Tag.Get("max"),
		pattern:  sf.Tag.Get("pattern"),
		required: sf.Tag.Get("required") == "true",
		noAxis:   sf.Tag.Get("axis") == "no",
	}
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.enum = strings.Split(enum, ",")
	}
	if sf.Tag.Get("items") == "1" {
		f.items = 1
	}
	return f
}

// keysOf returns the keys of a struct, for messages.
func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(t) {
		keys = append(keys, f.key)
	}
	return keys
}

// isGroup reports whether the type is a group of keys and not one value.
func isGroup(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[Rule]() && t != reflect.TypeFor[Pops]() && t != reflect.TypeFor[AxisValue]()
}

var settingsType = reflect.TypeFor[Settings]()

// settingNamed finds the field of Settings at a dotted path; its index leads
// from Settings.
func settingNamed(path string) (field, bool) { return fieldNamed(settingsType, path) }

// fieldNamed finds the field at a dotted path from a struct; its index leads from
// there.
func fieldNamed(at reflect.Type, path string) (field, bool) {
	var found field
	for key := range strings.SplitSeq(path, ".") {
		if !isGroup(at) {
			return field{}, false
		}
		ok := false
		for _, f := range fieldsOf(at) {
			if f.key == key {
				f.index = append(append([]int{}, found.index...), f.index...)
				found, at, ok = f, f.typ, true
				break
			}
		}
		if !ok {
			return field{}, false
		}
	}
	return found, true
}

// Paths returns the dotted path of every setting, in the order of the
// document. Those are the paths that --set and axes may use; workload.mode and
// others that belong to a whole experiment are left out when axes is true.
func Paths(axes bool) []string {
	var paths []string
	var visit func(t reflect.Type, prefix string)
	visit = func(t reflect.Type, prefix string) {
		for _, f := range fieldsOf(t) {
			path := joinPath(prefix, f.key)
			switch {
			case isGroup(f.typ):
				visit(f.typ, path)
			case !axes || !f.noAxis:
				paths = append(paths, path)
			}
		}
	}
	visit(settingsType, "")
	return paths
}

// Value returns the setting at a dotted path as arms are named by it: list
// elements joined with +, and "none" for an empty list. It is false for a path
// that is unknown or names a group.
func (s *Settings) Value(path string) (string, bool) {
	f, ok := settingNamed(path)
	if !ok || isGroup(f.typ) {
		return "", false
	}
	return display(reflect.ValueOf(s).Elem().FieldByIndex(f.index)), true
}

func joinPath(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}
