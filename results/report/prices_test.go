package report

import (
	"slices"
	"testing"

	"github.com/originpull/originpull/results"
)

func TestPriceCells(t *testing.T) {
	row := results.BypassRow{
		Case: "F01", Strategy: "mtls", TLS: "1.3", Predicted: "blocked", Measured: "blocked", Stage: "tls", OK: true,
		Price: &results.BypassPrice{Attempts: 60, CPU: 0.000314, BytesSent: 404.4, BytesReceived: 1508, Held: 2, Calm: 2000, Busy: 1500},
	}
	text := func(cells []cell) []string {
		var all []string
		for _, c := range cells {
			all = append(all, c.text)
		}
		return all
	}
	want := []string{"F01", "mtls", "1.3", "blocked tls", "314 µs", nothing, "404 + 1508", "2 of 60", "0.75"}
	if got := text(priceCells(&row)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	row.Mistake, row.Price = "optional-certificate", &results.BypassPrice{Attempts: 1, ResumedCPU: 0.0001}
	want = []string{"F01", "mtls", "1.3", "with optional-certificate", nothing, "100 µs", "0 + 0", "0 of 1", nothing}
	if got := text(priceCells(&row)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
