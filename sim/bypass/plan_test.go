package bypass

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// predictions is the core of the matrix of the correct policies: what should come of each
// case, and where.
var predictions = []struct{ id, allowlist, header, mtls string }{
	{"A01", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"A02", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"A03", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"A05", "bypassed/", "blocked/http", "blocked/tls"},
	{"A13", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"B01", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"B03", "blocked/tcp", "bypassed/", "blocked/tls"},
	{"B04", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"B06", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"C01", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"C02", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"C03", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"C04", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"C05", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"C07", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"C09", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"C11", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"D03", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"D04", "blocked/tcp", "blocked/http", "blocked/http"},
	{"D09", "blocked/tcp", "blocked/http", "blocked/tls"},
	{"D13", "blocked/tcp", "blocked/http", "blocked/http"},
}

func TestPredictions(t *testing.T) {
	rows, err := Rows(Plan{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range rows {
		if r.Mistake == "" && r.Skipped == "" {
			got[r.Case+" "+r.Strategy] = string(r.Predicted) + "/" + string(r.Stage)
		}
	}
	for _, want := range predictions {
		for strategy, verdict := range map[string]string{"allowlist": want.allowlist, "header": want.header, "mtls": want.mtls} {
			if have := got[want.id+" "+strategy]; have != verdict {
				t.Errorf("%s against %s: %s, want %s", want.id, strategy, have, verdict)
			}
		}
	}
}

// TestMissing holds the reasons under mTLS, where they tell cases apart.
func TestMissing(t *testing.T) {
	want := map[string]string{
		"A01": "chain+purpose+validity+subject+freshness+possession",
		"A05": "subject",
		"C02": "chain", "C03": "chain", "C04": "chain+subject",
		"C05": "validity", "C07": "purpose", "C09": "subject",
		"C11": "freshness", "D09": "freshness", "D13": "freshness",
	}
	rows, err := Rows(Plan{Strategies: []string{"mtls"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if missing, ok := want[r.Case]; ok && r.Mistake == "" && r.Missing.String() != missing {
			t.Errorf("%s lacks %s, want %s", r.Case, r.Missing, missing)
		}
	}
}

func TestRowsKeepsThePlansOrder(t *testing.T) {
	rows, err := Rows(Plan{Cases: []string{"C09", "A01"}, Strategies: []string{"mtls", "header"}, TLS: []string{"1.3"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		if r.Protocol == overH1 {
			got = append(got, strings.Join([]string{r.Case, r.Strategy, r.Mistake, r.TLS}, " "))
		}
	}
	want := []string{
		"C09 mtls  1.3", "C09 mtls no-pin 1.3", "C09 header  1.3", "C09 header optional-secret 1.3",
		"A01 mtls  1.3", "A01 mtls optional-certificate 1.3", "A01 header  1.3", "A01 header optional-secret 1.3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows are\n%q, want\n%q", got, want)
	}
}

func TestRowsNamesEverythingUnknown(t *testing.T) {
	_, err := Rows(Plan{Cases: []string{"A1", "A01", "A01"}, Strategies: []string{"mtsl"}, TLS: []string{"1.1"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{
		`unknown bypass case "A1"; known: A01, A02, A03, A04,`,
		`bypass case "A01" is named twice`,
		`unknown strategy "mtsl"; known: allowlist, header, mtls`,
		`unknown TLS version "1.1"; known: 1.2, 1.3`,
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestPlannedIsJSON(t *testing.T) {
	rows, err := Rows(Plan{Cases: []string{"C09"}, Strategies: []string{"mtls"}, TLS: []string{"1.3"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(rows[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"case":"C09","title":"another name's certificate of the same authority","strategy":"mtls","mistake":"","tls":"1.3","protocol":"h1",` +
		`"predicted":"blocked","stage":"tls","missing":["subject"]}`
	if string(got) != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
