package scenarios

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

// Schema returns the JSON Schema (2020-12) of the document, read from the same
// struct tags as Load goes by. It is meant for the completion and hover of an
// editor; Load remains the judge of what contradicts itself.
func Schema() ([]byte, error) {
	g := generator{defs: map[string]any{}}
	doc := newDocument()
	top := g.group(reflect.ValueOf(doc).Elem(), "")
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["$id"] = "urn:originpull:scenario:v1"
	top["title"] = "originpull scenario"
	top["description"] = "What an origin pull costs, and who else can make one: the settings of edge and origin, the experiments, and what is expected of them."
	top["$defs"] = g.defs
	top["if"] = map[string]any{"required": []string{"experiments"}}
	top["then"] = map[string]any{"properties": map[string]any{"compare": false, "bypass": false}}
	properties := top["properties"].(map[string]any)
	properties["version"].(map[string]any)["const"] = 1
	b, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("scenario schema: %w", err)
	}
	return append(b, '\n'), nil
}

// generator collects definitions by the dotted path of the setting, or by the
// name of the type.
type generator struct {
	defs     map[string]any
	inherits bool // what is not written is not the default
}

func ref(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }

// group describes a struct whose value v holds the defaults.
func (g generator) group(v reflect.Value, path string) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fieldsOf(v.Type()) {
		properties[f.key] = g.property(f, v.FieldByIndex(f.index), joinPath(path, f.key))
		if f.required {
			required = append(required, f.key)
		}
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// property describes one key. Settings are definitions of their own, because
// the top level, experiments and axes share them.
func (g generator) property(f field, v reflect.Value, path string) map[string]any {
	_, isSetting := settingNamed(path)
	if isSetting {
		if _, done := g.defs[path]; done {
			return ref(path)
		}
	}
	var s map[string]any
	switch {
	case f.typ == reflect.TypeFor[*Bypass]():
		if _, done := g.defs["bypass"]; !done {
			g.defs["bypass"] = nil
			g.defs["bypass"] = g.group(reflect.ValueOf(newBypass()).Elem(), "bypass")
		}
		return map[string]any{"$ref": "#/$defs/bypass", "description": f.doc}
	case f.typ == reflect.TypeFor[Find]():
		s = g.group(reflect.ValueOf(findDefaults), path)
	case f.typ.Kind() == reflect.Struct && f.typ != reflect.TypeFor[Pops]():
		s = g.group(v, path)
	default:
		s = g.leaf(f, f.typ)
		if !g.inherits && (!v.IsZero() || f.typ.Kind() == reflect.Bool || f.typ.Kind() == reflect.Int64) {
			s["default"] = v.Interface()
		}
	}
	s["description"] = f.doc
	if !isSetting {
		return s
	}
	g.defs[path] = s
	return ref(path)
}

// leaf describes a value that is not a group.
func (g generator) leaf(f field, t reflect.Type) map[string]any {
	switch reflect.Zero(t).Interface().(type) {
	case Duration:
		return map[string]any{"anyOf": []any{map[string]any{"type": "string", "pattern": durationPattern}, map[string]any{"const": 0}}}
	case ByteSize:
		return map[string]any{"anyOf": []any{map[string]any{"type": "string", "pattern": byteSizePattern}, map[string]any{"type": "integer", "minimum": 0}}}
	case Pops:
		return map[string]any{"oneOf": []any{
			map[string]any{"type": "integer", "minimum": 1, "maximum": mostPops},
			map[string]any{"type": "array", "minItems": 1, "maxItems": mostNamed, "items": g.group(reflect.New(reflect.TypeFor[Pop]()).Elem(), "")},
		}}
	case Bandwidth:
		return map[string]any{"type": "string", "pattern": bandwidthPattern}
	case Rate:
		return map[string]any{"type": "string", "pattern": ratePattern}
	case Percent:
		return map[string]any{"type": "string", "pattern": percentPattern}
	case Rule:
		return map[string]any{"type": "string", "pattern": `\S`}
	case Claim:
		g.defs["claim"] = g.group(reflect.ValueOf(&Claim{}).Elem(), "claim")
		return ref("claim")
	case GateRule:
		g.defs["gateRule"] = g.group(reflect.ValueOf(&GateRule{}).Elem(), "gateRule")
		return ref("gateRule")
	case NamedOrigin:
		if _, done := g.defs["namedOrigin"]; !done {
			inner := generator{g.defs, true}
			g.defs["namedOrigin"] = inner.group(reflect.New(t).Elem(), "origins[]")
		}
		return ref("namedOrigin")
	case Stage, Lifetime:
		return g.group(reflect.New(t).Elem(), "")
	case Axis:
		g.axis()
		return ref("axis")
	case Experiment:
		s := g.group(reflect.ValueOf(&Experiment{Settings: newDocument().Settings}).Elem(), "")
		s["not"] = map[string]any{"required": []string{"bypass", "compare"}}
		g.defs["experiment"] = s
		return ref("experiment")
	}
	switch t.Kind() {
	case reflect.Slice:
		s := map[string]any{"type": "array", "items": g.leaf(f, t.Elem()), "minItems": f.items}
		if t.Elem().Kind() == reflect.String {
			s["uniqueItems"] = true
		}
		return s
	case reflect.String:
		s := map[string]any{"type": "string"}
		if f.enum != nil {
			s["enum"] = f.enum
		}
		if form, ok := patterns[f.pattern]; ok {
			s["pattern"] = form.form.String()
		}
		return s
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return limits(map[string]any{"type": "number"}, f)
	default:
		if t.Kind() == reflect.Uint64 {
			f.min = "0"
		}
		return limits(map[string]any{"type": "integer"}, f)
	}
}

func limits(s map[string]any, f field) map[string]any {
	for key, tag := range map[string]string{"minimum": f.min, "maximum": f.max} {
		if x, err := strconv.ParseFloat(tag, 64); err == nil {
			s[key] = x
		}
	}
	return s
}

// axis defines the two forms of an axis: values of a setting, or named values.
func (g generator) axis() {
	if _, done := g.defs["axis"]; done {
		return
	}
	set, paths, forms := map[string]any{}, Paths(true), []any{}
	for _, path := range paths {
		set[path] = ref(path)
		forms = append(forms, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"axis": map[string]any{"const": path}}},
			"then": map[string]any{"properties": map[string]any{"values": map[string]any{"items": ref(path)}}},
		})
	}
	g.defs["axisValue"] = map[string]any{
		"type": "object", "additionalProperties": false, "required": []string{"name"},
		"properties": map[string]any{
			"name": map[string]any{"type": "string", "pattern": patterns["value"].form.String(), "description": "What arms are named by."},
			"set":  map[string]any{"type": "object", "additionalProperties": false, "properties": set, "description": "The settings that this value sets, by their paths."},
		},
	}
	forms = append(forms, map[string]any{
		"if":   map[string]any{"properties": map[string]any{"axis": map[string]any{"enum": paths}}},
		"else": map[string]any{"properties": map[string]any{"values": map[string]any{"items": ref("axisValue")}}},
	})
	fields := fieldsOf(reflect.TypeFor[Axis]())
	g.defs["axis"] = map[string]any{
		"type": "object", "additionalProperties": false, "required": []string{"axis", "values"},
		"properties": map[string]any{
			"axis": map[string]any{
				"description": fields[0].doc, "type": "string",
				"anyOf": []any{map[string]any{"enum": paths}, map[string]any{"pattern": patterns["name"].form.String()}},
			},
			"values": map[string]any{"description": fields[1].doc, "type": "array", "minItems": 1},
		},
		"allOf": forms,
	}
}
