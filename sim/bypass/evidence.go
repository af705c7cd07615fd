package bypass

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/originpull/originpull/wire"
)

// Evidence is what the deciding step of a row saw: for whoever has to believe
// that it got through. It holds no secret of the lab and no key, and each of
// its texts has a bound.
type Evidence struct {
	Step    string `json:"step"`
	Status  int    `json:"status,omitempty"`
	Answer  string `json:"answer,omitempty"`  // the first bytes that came back
	Audit   string `json:"audit,omitempty"`   // the origin's line on the connection, as JSON
	TLS     string `json:"tls,omitempty"`     // version that was negotiated
	Cipher  string `json:"cipher,omitempty"`  // IANA name
	Group   string `json:"group,omitempty"`   // key exchange
	Resumed bool   `json:"resumed,omitempty"` // the handshake was
	Shown   string `json:"shown,omitempty"`   // the certificate of who asked: subject and SHA-256
	Peer    string `json:"peer,omitempty"`    // the origin's, likewise
}

// Bounds of evidence, in bytes. What is looked at is longer than what is kept,
// so that no secret that begins in the one ends behind the other.
const (
	lookedAt  = 4 << 10
	keptBytes = 256
	keptLine  = 1000
)

// witness is what a step keeps of its connection and answer, without secrets.
type witness struct {
	trace  *wire.Trace       // nil: no handshake succeeded
	peer   *x509.Certificate // the origin's; nil: none
	shown  *tls.Certificate  // to the origin; nil: none
	answer string
}

// handshake notes a handshake that succeeded, and the certificate that was
// shown in it: nil for none. Attempts are many, so that nothing is made of it
// here.
func (w *witness) handshake(trace *wire.Trace, state tls.ConnectionState, shown *tls.Certificate) {
	w.trace, w.shown = trace, shown
	if len(state.PeerCertificates) > 0 {
		w.peer = state.PeerCertificates[0]
	}
}

// facts are those of the handshake, in words.
func (w *witness) facts(e *Evidence) {
	if w.trace != nil {
		e.TLS, e.Cipher, e.Group = w.trace.Version, w.trace.Cipher, w.trace.Group
	}
	e.Peer = certified(w.peer)
	if w.shown != nil && len(w.shown.Certificate) > 0 {
		if leaf, err := x509.ParseCertificate(w.shown.Certificate[0]); err == nil {
			e.Shown = certified(leaf)
		}
	}
}

// certified is a certificate in a line: its subject, its names and its
// fingerprint; "" for none. It is public, whoever holds the key.
func certified(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	sum := sha256.Sum256(c.Raw)
	subject := c.Subject.String()
	if len(c.DNSNames) > 0 {
		subject = strings.TrimSpace(subject + " " + strings.Join(c.DNSNames, ","))
	}
	return clipped(subject, keptBytes) + " sha256:" + hex.EncodeToString(sum[:])
}

// keep notes the first bytes of an answer, without the lab's secrets. Nothing is
// kept of what a control lets through: that is no finding.
func (l *Lab) keep(w *witness, answer *http.Response, body []byte) {
	if l.pristine.Mistake != "" {
		return
	}
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s\r\n", answer.Proto, answer.Status)
	for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
		if name == "Date" || strings.Contains(name, "Cookie") || strings.Contains(name, "Auth") {
			continue
		}
		for _, value := range answer.Header[name] {
			fmt.Fprintf(&head, "%s: %s\r\n", name, value)
		}
	}
	text := head.String() + "\r\n" + string(body[:min(len(body), lookedAt)])
	w.answer = clipped(l.Material.redacted(text[:min(len(text), lookedAt)]), keptBytes)
}

// evidence is what a step saw, with the origin's own line on it.
func (l *Lab) evidence(ctx context.Context, step Step) *Evidence {
	e := &Evidence{
		Step: l.Material.redacted(step.Name), Status: step.Status, Answer: step.seen.answer, Resumed: step.Resumed,
	}
	step.seen.facts(e)
	if !step.Local.IsValid() {
		return e
	}
	entry, err := l.Audit(ctx, step.Local)
	if err != nil {
		return e // a real server's log may say nothing of it
	}
	if line, err := json.Marshal(entry); err == nil {
		e.Audit = clipped(l.Material.redacted(string(line)), keptLine)
	}
	return e
}

// redacted takes the lab's secrets out of a text, in every case and as base64
// or hexadecimal, and whatever follows the beginning of a private key.
func (m *Material) redacted(text string) string {
	text = m.hiding().ReplaceAllLiteralString(text, "[secret]")
	if before, _, found := strings.Cut(text, "PRIVATE KEY"); found {
		text = before[:max(0, strings.LastIndex(before, "-----BEGIN"))] + "[private key]"
	}
	return text
}

// secrets matches every secret of the lab, in the forms that servers repeat.
func (m *Material) secrets() *regexp.Regexp {
	forms := []string{`[^\s\S]`} // nothing
	for _, secrets := range []map[string]string{m.Origin.Secrets, m.rotated.Secrets, {"": m.retired}, {"": m.next}, {"": m.tenant}} {
		for _, secret := range secrets {
			if secret == "" {
				continue
			}
			for _, form := range []string{secret, base64.RawStdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))} {
				forms = append(forms, regexp.QuoteMeta(form))
			}
		}
	}
	return regexp.MustCompile("(?i)" + strings.Join(forms, "|"))
}

// clipped is valid UTF-8 of at most so many bytes.
func clipped(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "")
}
