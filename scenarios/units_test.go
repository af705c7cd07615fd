package scenarios

import (
	"encoding"
	"reflect"
	"testing"
	"time"
)

func TestUnits(t *testing.T) {
	tests := []struct {
		text  string
		value encoding.TextMarshaler // what it reads as; nil when it must not read
		back  string                 // what that is written as
		typ   reflect.Type
	}{
		{"5s", Duration(5 * time.Second), "5s", nil},
		{"60s", Duration(time.Minute), "1m", nil},
		{"2h", Duration(2 * time.Hour), "2h", nil},
		{"1h30m5s", Duration(90*time.Minute + 5*time.Second), "1h30m5s", nil},
		{"1.5ms", Duration(1500 * time.Microsecond), "1.5ms", nil},
		{"0", Duration(0), "0s", nil},
		{"-1s", Duration(-time.Second), "-1s", nil},
		{"10s", Duration(10 * time.Second), "10s", nil},
		{"10m", Duration(10 * time.Minute), "10m", nil},
		{"5", nil, "", reflect.TypeFor[Duration]()},
		{".5s", nil, "", reflect.TypeFor[Duration]()},
		{"5 s", nil, "", reflect.TypeFor[Duration]()},
		{"9999999h", nil, "", reflect.TypeFor[Duration]()},
		{"1KiB", ByteSize(1024), "1KiB", nil},
		{"64MiB", ByteSize(64 << 20), "64MiB", nil},
		{"2048", ByteSize(2048), "2KiB", nil},
		{"1MB", ByteSize(1e6), "1000000B", nil},
		{"5B", ByteSize(5), "5B", nil},
		{"0", ByteSize(0), "0B", nil},
		{"-1KiB", ByteSize(-1024), "-1KiB", nil},
		{"1.5KiB", nil, "", reflect.TypeFor[ByteSize]()},
		{"1K", nil, "", reflect.TypeFor[ByteSize]()},
		{"99999999999GiB", nil, "", reflect.TypeFor[ByteSize]()},
		{"99999999999999999999", nil, "", reflect.TypeFor[ByteSize]()},
		{"500/s", Rate(500), "500/s", nil},
		{"30/m", Rate(0.5), "0.5/s", nil},
		{"36/h", Rate(0.01), "0.01/s", nil},
		{"-4/s", Rate(-4), "-4/s", nil},
		{"500", nil, "", reflect.TypeFor[Rate]()},
		{"1e3/s", nil, "", reflect.TypeFor[Rate]()},
		{"5/d", nil, "", reflect.TypeFor[Rate]()},
		{"/s", nil, "", reflect.TypeFor[Rate]()},
		{"5%", Percent(0.05), "5%", nil},
		{"2.5%", Percent(0.025), "2.5%", nil},
		{"-3%", Percent(-0.03), "-3%", nil},
		{"0.05", nil, "", reflect.TypeFor[Percent]()},
		{"5 %", nil, "", reflect.TypeFor[Percent]()},
	}
	for _, test := range tests {
		typ := test.typ
		if typ == nil {
			typ = reflect.TypeOf(test.value)
		}
		v := reflect.New(typ)
		err := v.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(test.text))
		if (err == nil) != (test.value != nil) {
			t.Errorf("%s %q: error %v", typ.Name(), test.text, err)
			continue
		}
		if err != nil {
			continue
		}
		back, err := test.value.MarshalText()
		if v.Elem().Interface() != test.value || string(back) != test.back || err != nil {
			t.Errorf("%s %q: reads as %v, written as %s, want %v and %s", typ.Name(), test.text, v.Elem(), back, test.value, test.back)
		}
	}
}
