package bypass

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"testing"
)

// TestFloodPrices: every row of family F that meets an origin has a price, and
// the correct policy's has the edge's goodput too.
func TestFloodPrices(t *testing.T) {
	needsLoopbackNet(t)
	rows := measured(t, Plan{Cases: []string{"F02", "F05", "F09"}, Strategies: []string{"allowlist", "header"}, TLS: []string{"1.3"}}, newStarter(t, nil))
	want := map[string]Verdict{
		"F02 allowlist ": Blocked, "F02 header ": Costly, "F02 allowlist open-allowlist": Costly,
		"F05 header ": Blocked, "F05 header optional-secret": Bypassed, "F09 header ": Costly,
	}
	for _, r := range rows {
		if r.Skipped != "" {
			continue
		}
		if verdict, ok := want[r.Case+" "+r.Strategy+" "+r.Mistake]; ok && r.Measured != verdict || !r.OK {
			t.Errorf("want %s: %+v", verdict, r)
		}
		if r.Price == nil || r.Price.Attempts != brief.Attempts {
			t.Errorf("no price: %+v", r)
			continue
		}
		if goodput := r.Price.Calm > 0 && r.Price.Busy > 0; r.Case != "F09" && goodput != (r.Mistake == "") {
			t.Errorf("%s %s %q: %+v", r.Case, r.Strategy, r.Mistake, r.Price)
		}
		if holds := r.Price.Held > 0; r.Case == "F02" && holds != (r.Measured == Costly) {
			t.Errorf("%s: held %d", r.Measured, r.Price.Held)
		}
	}
}

// TestClientKeys: the vector is of RFC 8448, section 3: the client's first application secret, its key and its IV.
func TestClientKeys(t *testing.T) {
	const secret = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
	keys, err := trafficKeys([]byte("CLIENT_RANDOM aa bb\nCLIENT_TRAFFIC_SECRET_0 00 "+secret+"\n"), tls.TLS_AES_128_GCM_SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ label, value string }{
		{"key", "17422dda596ed5d9acd890e3c63f5051"},
		{"iv", "5b78923dee08579033e523d9"},
	} {
		value, err := hex.DecodeString(want.value)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := keys.expand(want.label, len(value)); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%s is %x, want %s: %v", want.label, got, want.value, err)
		}
	}
	before := keys.secret
	first, err := keys.update()
	if err != nil || len(first) != recordHeader+6+16 || bytes.Equal(before, keys.secret) {
		t.Errorf("record %x: %v", first, err)
	}
	if _, err := trafficKeys(nil, tls.TLS_AES_256_GCM_SHA384); err == nil {
		t.Error("a key log without the secret is taken")
	}
	if _, err := trafficKeys(nil, tls.TLS_CHACHA20_POLY1305_SHA256); err == nil {
		t.Error("a cipher that is not written is taken")
	}
}
