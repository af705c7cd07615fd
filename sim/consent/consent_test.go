package consent

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/wire"
)

var day = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func lookup(addresses, text, content string) Lookup {
	return Lookup{
		Now: func() time.Time { return day },
		Addresses: func(context.Context, string) (all []netip.Addr, err error) {
			for a := range strings.FieldsSeq(addresses) {
				all = append(all, netip.MustParseAddr(a))
			}
			return all, nil
		},
		Texts: func(_ context.Context, name string) ([]string, error) {
			if name != "_originpull.site.example" || text == "" {
				return nil, errors.New("no such record")
			}
			return []string{"v=spf1 -all", text}, nil
		},
		Fetch: func(_ context.Context, at string) (string, error) {
			if at != "https://site.example/.well-known/originpull" || content == "" {
				return "", errors.New("404")
			}
			return content + "\n", nil
		},
	}
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestResolve(t *testing.T) {
	l := lookup("203.0.113.9 203.0.113.7", "", "")
	for _, c := range []struct{ origin, at, want, wrong string }{
		{"https://site.example/x", "", "203.0.113.7:443", ""},
		{"https://site.example:8443/x", "", "203.0.113.7:8443", ""},
		{"https://Site.Example/x", "198.51.100.3:9443", "198.51.100.3:9443", ""},
		{"https://127.0.0.1:8443/", "", "127.0.0.1:8443", ""},
		{"https://[::ffff:127.0.0.1]:8443/", "", "127.0.0.1:8443", ""},
		{"https://site.example/", "203.0.113.7", "", "is no address with a port"},
		{"https://169.254.169.254/", "", "", "is link-local"},
		{"https://[fe80::1]/", "", "", "is link-local"},
		{"https://[fd00:ec2::254]/", "", "", "metadata service"},
		{"https://0.0.0.0/", "", "", "is no address of one machine"},
		{"https://224.0.0.1/", "", "", "is no address of one machine"},
		{"https://104.16.1.1/", "", "", "a range that Cloudflare publishes"},
		{"https://site.example/", "130.176.4.4:443", "", "a range that CloudFront publishes"},
		{"https://[2a04:4e42::1]/", "", "", "a range that Fastly publishes"},
	} {
		got, err := l.Resolve(t.Context(), parse(t, c.origin), c.at)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s at %q: %v, want %q", c.origin, c.at, err, c.wrong)
			}
			continue
		}
		if err != nil || got.String() != c.want {
			t.Errorf("%s at %q: %v, %v, want %s", c.origin, c.at, got, err, c.want)
		}
	}
	if _, err := (Lookup{}).Resolve(t.Context(), parse(t, "https://site.example/"), ""); err == nil {
		t.Error("an address was found by nobody")
	}
}

func TestAsk(t *testing.T) {
	target := Target{netip.MustParseAddrPort("203.0.113.7:443"), "site.example"}
	good := "originpull target=203.0.113.7:443 name=site.example until=2026-11-30"
	tonight := "originpull target=203.0.113.7:443 name=site.example until=2026-11-23"
	for _, c := range []struct {
		what    string
		l       Lookup
		target  Target
		spoken  Spoken
		by      string
		refused string
	}{
		{"nobody", lookup("", "", ""), target, Spoken{}, "", "run it with --allow-target 203.0.113.7:443 --i-own-this-origin, or publish the text \"" + good + "\" as a TXT record of _originpull.site.example or at https://site.example/.well-known/originpull"},
		{"loopback", Lookup{}, Target{netip.MustParseAddrPort("127.0.0.9:8443"), "x"}, Spoken{}, "it is on this machine", ""},
		{"on the command line", lookup("", "", ""), target, Spoken{"203.0.113.7:443", true}, "--allow-target 203.0.113.7:443 --i-own-this-origin", ""},
		{"by name", lookup("", "", ""), target, Spoken{"site.example:443", true}, "--allow-target site.example:443 --i-own-this-origin", ""},
		{"half of it", lookup("", good, ""), target, Spoken{"203.0.113.7:443", false}, "", "give both"},
		{"the other half", lookup("", good, ""), target, Spoken{"", true}, "", "is not the target"},
		{"another target", lookup("", good, ""), target, Spoken{"203.0.113.8:443", true}, "", "--allow-target 203.0.113.8:443 is not the target, which is 203.0.113.7:443 (site.example)"},
		{"DNS", lookup("", good, ""), target, Spoken{}, "the TXT record of _originpull.site.example", ""},
		{"the site", lookup("", "", good), target, Spoken{}, "https://site.example/.well-known/originpull", ""},
		{"until tonight", lookup("", "", tonight), target, Spoken{}, "https://site.example/.well-known/originpull", ""},
		{"another address", lookup("", strings.Replace(good, ".7", ".8", 1), ""), target, Spoken{}, "", "but the target is 203.0.113.7:443"},
		{"another port", lookup("", strings.Replace(good, ":443", ":444", 1), ""), target, Spoken{}, "", "but the target is 203.0.113.7:443"},
		{"another name", lookup("", strings.Replace(good, "site.", "other.", 1), ""), target, Spoken{}, "", "but the name is site.example"},
		{"over", lookup("", strings.Replace(good, "-30", "-22", 1), ""), target, Spoken{}, "", "but that is over"},
		{"no end", lookup("", "originpull target=203.0.113.7:443 name=site.example", ""), target, Spoken{}, "", "but until is no date"},
		{"twice", lookup("", good+" until=2030-01-01", ""), target, Spoken{}, "", "one too many"},
		{"a CDN's address", lookup("", "", ""), Target{netip.MustParseAddrPort("104.16.1.1:443"), "x"}, Spoken{"104.16.1.1:443", true}, "", "Cloudflare publishes"},
		{"metadata", lookup("", "", ""), Target{netip.MustParseAddrPort("169.254.169.254:80"), "x"}, Spoken{"169.254.169.254:80", true}, "", "link-local"},
	} {
		got, err := c.l.Ask(t.Context(), c.target, c.spoken)
		if c.refused != "" {
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v, want %q", c.what, err, c.refused)
			}
			if n := got.Network(); n.Target.IsValid() {
				t.Errorf("%s: without consent %s can be reached", c.what, n.Target)
			}
			continue
		}
		if err != nil || got.By != c.by || got.Target != c.target || got.Until.After(day.Add(longest)) && c.l.Now != nil {
			t.Errorf("%s: %+v, %v, want %q", c.what, got, err, c.by)
		}
	}
}

// A consent reaches its own address and no other: nothing is sent by this test.
func TestNetworkIsBound(t *testing.T) {
	c := Consent{Target: Target{netip.MustParseAddrPort("203.0.113.7:443"), "x"}, Until: time.Now().Add(-time.Second)}
	for _, at := range []string{"203.0.113.7:443", "203.0.113.7:80", "127.0.0.1:443"} {
		if _, err := c.Network().Dial(t.Context(), netip.Addr{}, netip.MustParseAddrPort(at)); !errors.Is(err, wire.ErrNoConsent) {
			t.Errorf("%s: %v", at, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFetchFollowsNoRedirect(t *testing.T) {
	asked := 0
	fetch := fetcher(roundTrip(func(r *http.Request) (*http.Response, error) {
		asked++
		return &http.Response{StatusCode: http.StatusFound, Status: "302 Found", Header: http.Header{"Location": {"https://elsewhere.example/"}}, Body: http.NoBody, Request: r}, nil
	}))
	if text, err := fetch(t.Context(), "https://site.example/.well-known/originpull"); err == nil || asked != 1 {
		t.Errorf("%q, %v after %d requests", text, err, asked)
	}
}

func FuzzRead(f *testing.F) {
	target := Target{netip.MustParseAddrPort("203.0.113.7:443"), "site.example"}
	f.Add("originpull target=203.0.113.7:443 name=site.example until=2026-11-30")
	f.Add("originpull until=x")
	f.Fuzz(func(t *testing.T, text string) {
		until, err := read(text, target, day)
		if err == nil && (!until.After(day) || !strings.Contains(text, "target="+target.String())) {
			t.Errorf("%q consents until %s", text, until)
		}
	})
}
