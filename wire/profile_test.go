package wire

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
)

// TestVersions is the conformance test of the registry of TLS versions.
func TestVersions(t *testing.T) {
	if got := Versions(); !slices.Equal(got, []string{"1.2", "1.3"}) {
		t.Fatalf("versions %q", got)
	}
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			if tls.VersionName(v.id) != "TLS "+v.name {
				t.Errorf("id 0x%04x is %s", v.id, tls.VersionName(v.id))
			}
			full, known := Turns(v.name, false)
			if !known || full != v.full || full < 1 {
				t.Errorf("full handshake: %d turns, known %v", full, known)
			}
			if resumed, known := Turns(v.name, true); !known || resumed < 1 || resumed > full {
				t.Errorf("resumed handshake: %d turns, known %v", resumed, known)
			}
			for _, g := range groups {
				offers := v.offers(g.id)
				if offers != nil && offers[0] != g.id {
					t.Errorf("pinned to %s it offers %v first", g.name, offers[0])
				}
			}
			defer func() {
				if recover() == nil {
					t.Error("registered twice without a panic")
				}
			}()
			registerVersion(v)
		})
	}
	if _, known := Turns("1.1", false); known {
		t.Error("TLS 1.1 has a theory")
	}
}

func TestProfileValidate(t *testing.T) {
	for _, test := range []struct {
		profile Profile
		want    string // part of the error
	}{
		{Profile{Version: "1.2", Group: "x25519"}, ""},
		{Profile{Version: "1.2", Group: "p256", Resumption: true}, ""},
		{Profile{Version: "1.3", Group: "x25519mlkem768"}, ""},
		{Profile{Version: "1.2", Group: "x25519mlkem768"}, "TLS 1.2 has no key-exchange group x25519mlkem768"},
		{Profile{Version: "1.1", Group: "x25519"}, `unknown TLS version "1.1": use one of 1.2, 1.3`},
		{Profile{Version: "1.3", Group: "P256"}, `unknown key-exchange group "P256": use one of x25519, p256, x25519mlkem768`},
		{Profile{}, "unknown TLS version"},
		{Profile{Version: "1.3", Group: "p256", HelloRetry: true}, ""},
		{Profile{Version: "1.2", Group: "p256", HelloRetry: true}, "TLS 1.2 has no HelloRetryRequest"},
		{Profile{Version: "1.3", Group: "x25519", HelloRetry: true}, "cannot be forced with the group x25519: use p256"},
		{Profile{Version: "1.3", Group: "x25519mlkem768", HelloRetry: true}, "cannot be forced with the group x25519mlkem768"},
	} {
		err := test.profile.Validate()
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%+v: %v", test.profile, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%+v: error %v lacks %q", test.profile, err, test.want)
		}
	}
}

func TestProfileLeavesItsBaseAlone(t *testing.T) {
	base := &tls.Config{ServerName: "origin.test"}
	resuming := Profile{Version: "1.2", Group: "x25519", Resumption: true}
	one, two := resuming.Client(base), resuming.Client(base)
	if base.MinVersion != 0 || base.CurvePreferences != nil || base.ClientSessionCache != nil {
		t.Errorf("base changed: %v %v", base.MinVersion, base.CurvePreferences)
	}
	if one.MinVersion != tls.VersionTLS12 || one.MaxVersion != tls.VersionTLS12 || one.ServerName != base.ServerName {
		t.Errorf("versions %x to %x, name %q", one.MinVersion, one.MaxVersion, one.ServerName)
	}
	if !slices.Equal(one.CurvePreferences, []tls.CurveID{tls.X25519, tls.CurveP256}) {
		t.Errorf("groups %v", one.CurvePreferences)
	}
	for _, test := range []struct {
		profile Profile
		want    []tls.CurveID
	}{
		{Profile{Version: "1.2", Group: "x25519", P384: true}, []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}},
		{Profile{Version: "1.2", Group: "p256", P384: true}, []tls.CurveID{tls.CurveP256, tls.CurveP384}},
		{Profile{Version: "1.3", Group: "x25519", P384: true}, []tls.CurveID{tls.X25519}},
	} {
		if got := test.profile.Client(nil).CurvePreferences; !slices.Equal(got, test.want) {
			t.Errorf("%+v: groups %v, want %v", test.profile, got, test.want)
		}
	}
	if one.ClientSessionCache == nil || one.ClientSessionCache == two.ClientSessionCache {
		t.Error("two clients without a cache of their own share one")
	}
	base.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	if got := resuming.Client(base).ClientSessionCache; got != base.ClientSessionCache {
		t.Error("the session cache of the base is not kept")
	}
	if got := (Profile{Version: "1.3", Group: "p256"}).Client(base).ClientSessionCache; got != nil {
		t.Error("a session cache without resumption")
	}
	server := Profile{Version: "1.3", Group: "p256"}.Server(nil)
	if !slices.Equal(server.CurvePreferences, []tls.CurveID{tls.CurveP256}) || server.MaxVersion != 0 {
		t.Errorf("server: groups %v, version up to %x", server.CurvePreferences, server.MaxVersion)
	}
}
