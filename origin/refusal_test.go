package origin

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/pki"
)

// TestNewRefuses holds every sentence, and that no mistake but its own lifts
// one.
func TestNewRefuses(t *testing.T) {
	everyone := []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24"), netip.MustParsePrefix("::/0")}
	for _, test := range []struct {
		name     string
		strategy string
		change   func(*Config)
		want     string
		lifted   string // by this mistake; "" by none
	}{
		{
			"empty allowlist", Allowlist, func(c *Config) { c.Policy.Allow = nil },
			"origin: strategy allowlist: the list of allowed addresses is empty: name the edge's prefixes", "open-allowlist",
		},
		{
			"open allowlist", Allowlist, func(c *Config) { c.Policy.Allow = everyone },
			"origin: strategy allowlist: prefix ::/0 allows every address: name the edge's prefixes", "open-allowlist",
		},
		{
			"invalid prefix", Allowlist, func(c *Config) { c.Policy.Allow = make([]netip.Prefix, 1) },
			"origin: strategy allowlist: an allowed prefix is not valid: write it as address/bits", "",
		},
		{
			"half mapped prefix", Allowlist, func(c *Config) { c.Policy.Allow = []netip.Prefix{netip.MustParsePrefix("::ffff:0:0/90")} },
			"covers more than the IPv4-mapped addresses", "",
		},

		{
			"empty secret", Header, func(c *Config) { c.Credentials.Secrets["now"] = "" },
			`origin: strategy header: secret "now" is empty: a request without the header would equal it`, "empty-secret",
		},
		{
			"empty previous secret", Header, func(c *Config) { c.Policy.PreviousSecret = "before"; c.Credentials.Secrets["before"] = "" },
			`origin: strategy header: secret "before" is empty: a request without the header would equal it`, "empty-secret",
		},
		{"missing secret", Header, func(c *Config) { delete(c.Credentials.Secrets, "now") }, `"now" is missing`, ""},
		{"missing previous secret", Header, func(c *Config) { c.Policy.PreviousSecret = "older" }, `"older" is missing`, ""},
		{"no secret named", Header, func(c *Config) { c.Policy.Secret = "" }, "names no secret to compare header X-Origin-Verify with", ""},
		{"unsendable secret", Header, func(c *Config) { c.Credentials.Secrets["now"] = "a,b" }, `secret "now" has a comma`, ""},
		{"no header name", Header, func(c *Config) { c.Policy.SecretHeader = "" }, `"" cannot be a secret header's name`, ""},
		{"Host as header", Header, func(c *Config) { c.Policy.SecretHeader = "host" }, `"host" cannot be a secret header's name`, ""},
		{"no token", Header, func(c *Config) { c.Policy.SecretHeader = "X Verify" }, "cannot be a secret header's name", ""},

		{
			"no roots named", MTLS, func(c *Config) { c.Policy.ClientRoots, c.Policy.RevocationList = "", "" },
			"origin: strategy mtls: the policy names no client roots: crypto/tls would trust every public authority", "system-roots",
		},
		{"roots missing", MTLS, func(c *Config) { c.Policy.RevocationList = ""; delete(c.Credentials.Roots, "roots") }, "client roots: credential roots", "system-roots"},
		{"empty roots", MTLS, func(c *Config) { c.Policy.RevocationList = ""; c.Credentials.Roots["roots"] = "" }, "client roots: credential roots", "system-roots"},
		{"list missing", MTLS, func(c *Config) { delete(c.Credentials.RevocationLists, "revoked") }, "revocation list: credential revocation list", "no-revocation"},
		{"list unparsable", MTLS, func(c *Config) { c.Credentials.RevocationLists["revoked"] = "luck" }, "revocation list: credential revocation list", "no-revocation"},
		{"list of another authority", MTLS, otherList(t), "revocation list: credential revocation list", "no-revocation"},
		{"no pin", MTLS, func(c *Config) { c.Policy.Pin = "" }, `unknown pin "": want one of none, subject, san, leaf`, ""},
		{"pin without value", MTLS, func(c *Config) { c.Policy.PinValue = "" }, "pin san has no value", ""},
		{"value without pin", MTLS, func(c *Config) { c.Policy.Pin = PinNone }, "pin none takes no value", ""},
		{"leaf pin", MTLS, func(c *Config) { c.Policy.Pin = PinLeaf }, "pin leaf wants the SHA-256", ""},
		{"plaintext", MTLS, func(c *Config) { c.Certificate = "" }, "a plaintext origin cannot ask for a client certificate", ""},

		{"unknown strategy", Header, func(c *Config) { c.Policy.Strategies = append(c.Policy.Strategies, "luck") }, `unknown strategy "luck": want one of allowlist, header, mtls`, ""},
		{"strategy twice", Header, func(c *Config) { c.Policy.Strategies = []string{Header, Header} }, `strategy "header" is listed twice`, ""},
		{"no host", Header, func(c *Config) { c.Policy.Host = "" }, "the policy names no host to protect", ""},
		{"host also public", MTLS, func(c *Config) { c.Policy.PublicHosts = []string{"SECRET.test."} }, `host "SECRET.test." is protected and public at once`, ""},
		{"nameless public host", MTLS, func(c *Config) { c.Policy.PublicHosts = []string{""} }, "a public host has no name", ""},

		{"no server certificate", Header, func(c *Config) { c.Certificate = "luck" }, `server certificate: credential certificate "luck" is missing`, ""},
		{"unknown group", Header, func(c *Config) { c.Group = "luck" }, `unknown key-exchange group "luck"`, ""},
		{"negative size", Header, func(c *Config) { c.Response.Size = -1 }, "response size is negative: -1", ""},
		{"negative delay", Header, func(c *Config) { c.Response.Delay = -1 }, "response delay is negative: -1ns", ""},
		{"early status", Header, func(c *Config) { c.Response.Status = 100 }, "response status 100 is not between 200 and 599", ""},
		{"negative timeout", Header, func(c *Config) { c.Timeouts.Idle = -1 }, "idle timeout is negative: -1ns", ""},
		{"slow response", Header, func(c *Config) { c.Response.Delay, c.Timeouts.Write = time.Minute, time.Second }, "write timeout 1s is not longer than the response delay 1m0s", ""},
		{"audit level", Header, func(c *Config) { c.AuditLevel = "luck" }, `unknown audit level "luck": want all, refused or off`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			for _, mistake := range append([]Mistake{{Strategy: test.strategy}}, Mistakes()...) {
				if mistake.Strategy != test.strategy {
					continue
				}
				cfg := l.config(policy(t, test.strategy))
				test.change(&cfg)
				cfg.Policy.Mistake = mistake.Name
				_, err := New(cfg)
				lifted := test.lifted != "" && mistake.Name == test.lifted
				switch {
				case lifted && err != nil:
					t.Errorf("mistake %s does not lift its refusal: %v", mistake.Name, err)
				case !lifted && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n")):
					t.Errorf("mistake %q: %v, want %q", mistake.Name, err, test.want)
				}
			}
		})
	}
}

func otherList(t *testing.T) func(*Config) {
	other, err := pki.New(pki.Config{Name: "another authority"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := other.RevocationList()
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.Credentials.RevocationLists["revoked"] = string(list) }
}

func TestNewRefusesMistakesOutOfPlace(t *testing.T) {
	l := newLab(t)
	for mistake, want := range map[string]string{
		"luck":   `unknown mistake "luck": want one of answer-before-allowlist, open-allowlist`,
		"no-pin": `mistake "no-pin" belongs to strategy "mtls", which the policy does not use`,
	} {
		p := policy(t, Header)
		p.Mistake = mistake
		if _, err := New(l.config(p)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
