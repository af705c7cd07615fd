package scenarios

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
)

// magnitude returns a number, whatever its type; 0 for what is not a number.
func magnitude(v reflect.Value) float64 {
	switch {
	case v.CanInt():
		return float64(v.Int())
	case v.CanUint():
		return float64(v.Uint())
	case v.CanFloat():
		return v.Float()
	default:
		return 0
	}
}

// bound reads a min or max tag in the written form of the type. A tag that
// does not read is a mistake in this package, so it panics.
func bound(t reflect.Type, tag string, none float64) float64 {
	if tag == "" {
		return none
	}
	v := reflect.New(t)
	if text, ok := v.Interface().(encoding.TextUnmarshaler); ok {
		if err := text.UnmarshalText([]byte(tag)); err != nil {
			panic(fmt.Sprintf("scenarios: range tag %q: %v", tag, err))
		}
		return magnitude(v.Elem())
	}
	x, err := strconv.ParseFloat(tag, 64)
	if err != nil {
		panic(fmt.Sprintf("scenarios: range tag %q: %v", tag, err))
	}
	return x
}
