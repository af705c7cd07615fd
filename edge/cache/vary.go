package cache

import (
	"net/http"
	"slices"
	"strings"
)

// variant says for which requests a response stands: those that have in the
// fields of Vary what the request had that it answered (RFC 9111, 4.1). The
// zero variant stands for all.
type variant struct {
	fields []string // canonical names, sorted
	raw    []string // per field, the one line as it came; see absentField
	values []string // per field, normalized
}

// absentField is the raw value of a field that is not there, or more than one
// line. No field has a value with a zero byte.
const absentField = "\x00"

// parseVary returns the fields of Vary; all is true for "*", which no request
// matches.
func parseVary(values []string) (fields []string, all bool) {
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.Trim(name, " \t")
			switch name {
			case "":
			case "*":
				all = true
			default:
				fields = append(fields, http.CanonicalHeaderKey(name))
			}
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields), all
}

// variantOf returns the variant of requests that agree with header in fields.
func variantOf(fields []string, header http.Header) variant {
	v := variant{fields: fields}
	for _, field := range fields {
		raw := absentField
		if lines := header[field]; len(lines) == 1 {
			raw = lines[0]
		}
		v.raw = append(v.raw, raw)
		v.values = append(v.values, normalized(field, header[field]))
	}
	return v
}

// matches reports whether a request with header asks for this variant. It
// allocates nothing where the fields are the same, byte by byte.
func (v *variant) matches(header http.Header) bool {
	for i, field := range v.fields {
		lines := header[field]
		if len(lines) == 1 && lines[0] == v.raw[i] && lines[0] != absentField {
			continue
		}
		if normalized(field, lines) != v.values[i] {
			return false
		}
	}
	return true
}

// normalized makes one of the values of a field that mean the same: lines are
// joined and the space around commas is dropped, and in Accept-Language case
// and order mean nothing (RFC 9110, 12.5.4). What is quoted stays as it is.
func normalized(field string, lines []string) string {
	if len(lines) == 0 {
		return absentField
	}
	joined := strings.Join(lines, ",")
	if strings.Contains(joined, absentField) {
		return joined + absentField // no field's value, and not to be taken for a missing field
	}
	if strings.Contains(joined, `"`) {
		return joined
	}
	language := field == "Accept-Language"
	var members []string
	for member := range strings.SplitSeq(joined, ",") {
		member = strings.Trim(member, " \t")
		if language {
			member = strings.ToLower(strings.NewReplacer(" ", "", "\t", "").Replace(member))
		}
		if member != "" {
			members = append(members, member)
		}
	}
	if language {
		slices.Sort(members)
	}
	return strings.Join(members, ",")
}
