package pki

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const topSecret = "s3cr3t-Zq7"

func newTestCredentials(t *testing.T) Credentials {
	t.Helper()
	a := newTestAuthority(t, Config{Intermediates: 1})
	c := mustIssue(t, a, requestFor(ServerAuth, NoFlaw))
	list, err := a.RevocationList()
	if err != nil {
		t.Fatal(err)
	}
	return Credentials{
		Certificates:    map[string]KeyPair{"origin": c.KeyPair(), "broken": {Certificate: string(c.CertPEM), Key: "x"}},
		Roots:           map[string]string{"clients": string(a.Roots()), "broken": "x"},
		RevocationLists: map[string]string{"clients": string(list), "broken": "x"},
		Secrets:         map[string]string{"current": topSecret, "empty": ""},
	}
}

func TestCredentialsSurviveThePipe(t *testing.T) {
	sent := newTestCredentials(t)
	text, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got Credentials
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	cert, err := got.Certificate("origin")
	if err != nil || len(cert.Certificate) != 2 {
		t.Errorf("certificate of %d, error %v; want leaf and intermediate", len(cert.Certificate), err)
	}
	if _, err := got.Pool("clients"); err != nil {
		t.Error(err)
	}
	if revoked, err := got.RevocationList("clients", "clients"); err != nil || revoked.Contains(cert.Leaf) {
		t.Errorf("revocation list: error %v", err)
	}
	for name, want := range map[string]string{"current": topSecret, "empty": ""} {
		if secret, err := got.Secret(name); err != nil || secret != want {
			t.Errorf("secret %q: %q, error %v", name, secret, err)
		}
	}
}

func TestCredentialErrorsNameTheCredential(t *testing.T) {
	c := newTestCredentials(t)
	for _, held := range []Credentials{c, {}} {
		for _, name := range []string{"absent", "broken"} {
			_, noCert := held.Certificate(name)
			_, noPool := held.Pool(name)
			_, noList := held.RevocationList(name, "clients")
			_, noSecret := held.Secret(name)
			for kind, err := range map[string]error{"certificate": noCert, "roots": noPool, "revocation list": noList, "secret": noSecret} {
				want := fmt.Sprintf("credential %s %q", kind, name)
				if err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%s %q: error %v, want %q", kind, name, err, want)
				}
			}
		}
	}
	for _, roots := range []string{"absent", "broken"} {
		if _, err := c.RevocationList("clients", roots); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("roots %q", roots)) {
			t.Errorf("roots %q: error %v", roots, err)
		}
	}
}

// TestNothingPrintsSecrets prints every type that holds a key or a secret in
// every way and looks for anything of the material.
func TestNothingPrintsSecrets(t *testing.T) {
	a := newTestAuthority(t, Config{Name: "shop"})
	issued := mustIssue(t, a, requestFor(ClientAuth, NoFlaw))
	held := newTestCredentials(t)
	held.Certificates["edge"] = issued.KeyPair()
	material := []string{topSecret, fmt.Sprintf("%x", topSecret), fmt.Sprintf("%d", []byte(topSecret)), "BEGIN", "4245 47494e", "424547494e", "2d2d2d"}
	for _, line := range strings.Split(string(issued.KeyPEM), "\n") {
		if len(line) > 8 {
			material = append(material, line[:8])
		}
	}
	outer := struct {
		Credentials Credentials
		Pair        KeyPair
		Issued      *Certificate
		Authority   *Authority
	}{held, issued.KeyPair(), issued, a}
	for _, value := range []any{held, &held, issued.KeyPair(), held.Certificates, issued, a, outer, []any{held}} {
		prints := map[string]string{"slog text": logged(value, false), "slog json": logged(value, true)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%t", "%T"} {
			prints[verb] = fmt.Sprintf(verb, value)
		}
		for how, text := range prints {
			if strings.HasPrefix(how, "slog") && !logValued(value) {
				continue // slog's JSON of other types is their JSON, which is the pipe
			}
			for _, piece := range material {
				if strings.Contains(text, piece) {
					t.Errorf("%s of %T shows %q: %s", how, value, piece, text)
				}
			}
		}
	}
	if got := fmt.Sprint(a); got != `authority "shop"` {
		t.Errorf("authority prints as %s", got)
	}
	if got := fmt.Sprintf("%#v", held); got != held.String() || !strings.Contains(got, "certificates: broken, edge, origin;") {
		t.Errorf("credentials print as %s", got)
	}
}

func logValued(value any) bool {
	_, ok := value.(slog.LogValuer)
	return ok
}

func logged(value any, asJSON bool) string {
	var out bytes.Buffer
	var handler slog.Handler = slog.NewTextHandler(&out, nil)
	if asJSON {
		handler = slog.NewJSONHandler(&out, nil)
	}
	slog.New(handler).Info("x", "value", value)
	return out.String()
}

func TestParseCertificatesSkipsNothing(t *testing.T) {
	a := newTestAuthority(t, Config{})
	root := string(a.Roots())
	damaged := strings.Replace(root, "\n", "\n!", 1)
	notDER := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	key := string(mustIssue(t, a, requestFor(ServerAuth, NoFlaw)).KeyPEM)
	for _, c := range []struct {
		name, bundle, want string
		certs              int
	}{
		{"one", root, "", 1},
		{"two and text", "# first\n" + root + "# second\n" + root + "# end\n", "", 2},
		{"empty", "", "no PEM block found", 0},
		{"text", "root", "no PEM block found", 0},
		{"damaged last", root + damaged, "1 of 2 PEM blocks are damaged", 0},
		{"damaged first", damaged + root, "1 of 2 PEM blocks are damaged", 0},
		{"cut off", root + root[:len(root)/2], "1 of 2 PEM blocks are damaged", 0},
		{"not a certificate", notDER, "PEM block 1", 0},
		{"a key", root + key, `PEM block 2 is a "PRIVATE KEY"`, 0},
	} {
		certs, err := ParseCertificates([]byte(c.bundle))
		if len(certs) != c.certs || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d certificates, error %v; want %d, %q", c.name, len(certs), err, c.certs, c.want)
		}
	}
}
