package results

import (
	"strings"
	"testing"
)

func TestParseExpression(t *testing.T) {
	for text, want := range map[string]string{
		"handshake.rtts{edge.tls.version=1.3} == 1":                    "handshake.rtts{edge.tls.version=1.3} == 1",
		"  bypass.unexpected==0 ":                                      "bypass.unexpected == 0",
		"reuse.ratio > 95%":                                            "reuse.ratio > 95%",
		"latency.p99 <= 1.5 ms":                                        "latency.p99 <= 1.5ms",
		"latency.p99<20µs":                                             "latency.p99 < 20us",
		"origin.bytes >= 3KiB":                                         "origin.bytes >= 3KiB",
		"rate.achieved != 5e2/s":                                       "rate.achieved != 500/s",
		"rate.achieved > 1e6":                                          "rate.achieved > 1e+06",
		"latency.p50 < 1e":                                             "",
		"connect.count > -.5":                                          "connect.count > -0.5",
		"reuse.ratio{} > 0":                                            "reuse.ratio > 0",
		"a{ x = y , z != 'two words' } < b{role=baseline}":             `a{x=y,z!="two words"} < b{role=baseline}`,
		`a{arm="handshake/edge.tls.version=1.3,auth=mtls"} / b < 3`:    `a{arm="handshake/edge.tls.version=1.3,auth=mtls"} / b < 3`,
		"a{arm=handshake/aa,role=aa}/b{role='aa'} >= c / d":            "a{arm=handshake/aa,role=aa} / b{role=aa} >= c / d",
		"a{'two words'=x} == 1":                                        `a{"two words"=x} == 1`,
		`a{x="quote \" and \\ and \u00e9"} == 1`:                       `a{x="quote \" and \\ and é"} == 1`,
		"reuse.ratio{edge.pool.reuse=true,origin.strategies=a+b} == 1": "reuse.ratio{edge.pool.reuse=true,origin.strategies=a+b} == 1",
	} {
		e, err := ParseExpression(text)
		if want == "" {
			if err == nil {
				t.Errorf("%q parses to %s", text, e)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if e.String() != want {
			t.Errorf("%q prints as %q, want %q", text, e, want)
		}
	}
}

func TestParseExpressionRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "column 1: the expression is empty",
		"   ":                       "column 4: the expression is empty",
		"1 == a":                    "column 1: a number stands first: write metric operator value",
		"a":                         "column 2: want an operator (== != < <= > >=), found the end",
		"a = 1":                     "column 3: found =, write == to compare",
		"a ==":                      "column 5: want a metric, found the end",
		"a == 1 2":                  `column 7: unknown unit "2"`,
		"a == 1 parsec":             `column 7: unknown unit "parsec"`,
		"a == b c":                  `column 8: nothing may follow here, found "c"`,
		"a == {x=y}":                `column 6: want a metric, found "{"`,
		"a{x} == 1":                 `column 4: want = or != after the key x, found "}"`,
		"a{x==y} == 1":              "column 6: a selector is written key=value, with one =",
		"a{x=} == 1":                `column 5: want a value, found "}"`,
		"a{=y} == 1":                `column 3: want a key such as experiment, role, arm or an axis, found "="`,
		"a{x=y z=w} == 1":           `column 7: want , or } after a selector, found "z"`,
		"a{x=y":                     "column 6: want , or } after a selector, found the end",
		`a{x="y} == 1`:              "column 5: a string in double quotes does not end",
		`a{x='y} == 1`:              "column 5: a string in single quotes does not end",
		"a / b / c < 1":             `column 7: want an operator (== != < <= > >=), found "/"`,
		"a < 1e999":                 `column 5: "1e999" is not a number`,
		"latency.p99 µ":             `column 13: want an operator (== != < <= > >=), found "µ"`,
		"a{x=\xff} == 1":            "column 5: want a value, found ",
		"a < --5":                   `column 5: "-" is not a number`,
		"handshake.rtts{a=b}} == 1": `column 20: want an operator`,
	} {
		e, err := ParseExpression(text)
		if err == nil {
			t.Errorf("%q parses to %s", text, e)
			continue
		}
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		op      string
		a, b    float64
		outcome bool
	}{
		{"==", 1, 1, true},
		{"==", 1, 1.0001, false},
		{"!=", 1, 2, true},
		{"!=", 1, 1, false},
		{"<", 1, 2, true},
		{"<", 2, 2, false},
		{"<=", 2, 2, true},
		{"<=", 3, 2, false},
		{">", 3, 2, true},
		{">", 2, 2, false},
		{">=", 2, 2, true},
		{">=", 1, 2, false},
		{"==", 0.1 + 0.2, 0.3, true},
		{"<", 0.3, 0.1 + 0.2, false},
		{"!=", 0.1 + 0.2, 0.3, false},
		{"==", 0, 0, true},
		{"??", 1, 1, false},
	} {
		if got := (&Expression{op: c.op}).compare(c.a, c.b); got != c.outcome {
			t.Errorf("%v %s %v is %v", c.a, c.op, c.b, got)
		}
	}
}

func FuzzParseExpression(f *testing.F) {
	for _, seed := range []string{
		"handshake.rtts{edge.tls.version=1.3} == 1", "bypass.unexpected == 0", "reuse.ratio > 95%", "latency.p99 <= 1.5 ms",
		`a{arm="x/y=z,w=v",role!='aa'} / b{} < c`, "a{", "a < -1e-3/s", "a{x=\"\\xff\"} == 1", "µ{é=ü} != 1µs",
	} {
		f.Add(seed)
	}
	vector := decoded(f, "testdata/failed.result.json")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseExpression(text)
		if err != nil {
			return
		}
		canonical := e.String()
		again, err := ParseExpression(canonical)
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", text, canonical, err)
		}
		if again.String() != canonical {
			t.Fatalf("%q prints as %q, which prints as %q", text, canonical, again)
		}
		if x := e.Evaluate(vector, "handshake"); x.Detail == "" || x.Pass && x.Inconclusive {
			t.Fatalf("%q evaluates to %+v", text, x)
		}
	})
}
