package origin

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/wire"
)

// Setup is what a real server is started with.
type Setup struct {
	// Config means what it means for the built-in server, less what Check
	// refuses. Audit takes the audit log when the server has stopped.
	Config Config
	// Baseline opens a second listener on the same server, without TLS, that
	// gives the same content to everyone on this machine: for cost runs only.
	Baseline bool
	// Sides opens, beside the TLS port and under the same policy, a port without
	// TLS and one on [::1], as far as the driver knows how: for bypass runs only.
	Sides bool
	// Weaker leaves out proofs that the server cannot ask for, instead of
	// refusing them: for bypass runs, which predict that.
	Weaker bool
	// Protocol is what the edge will ask for: ProtocolH2, ProtocolH3, or "" for
	// HTTP/1.1, which every server speaks beside it. HTTP/3 is on the UDP port
	// of Address's number. A server that cannot is refused.
	Protocol string
	// PublicRoots are what the mistake of trusting the system's roots trusts, a
	// PEM bundle.
	PublicRoots []byte
	// Ground is where the server runs: behind a link, in a network of its own,
	// with At for the address of its TLS listener. nil: on this machine's
	// loopback, and the port is any.
	Ground *wire.Ground
	At     netip.AddrPort
	// Include are directives of the user's own, for the place that
	// Driver.Include names; "" is none.
	Include string
	// Key is the type of the certificates' keys; "" is the default one.
	Key pki.KeyType
}

// check refuses what no real server is told.
func (s Setup) check() error {
	c := s.Config
	var problems []error
	if c.Response.Delay != 0 {
		problems = append(problems, errors.New("it has no way to delay a response: use the built-in origin"))
	}
	if c.Response.Status != 0 && c.Response.Status != http.StatusOK {
		problems = append(problems, fmt.Errorf("it serves a file, with status 200 and not %d: use the built-in origin", c.Response.Status))
	}
	if c.Response.Uncacheable != 0 || len(c.Response.Lifetimes) > 0 || c.Response.Sizes != (Sizes{}) {
		problems = append(problems, errors.New("it serves one file, and its objects do not differ: use the built-in origin"))
	}
	if s.Ground != nil && s.Baseline {
		problems = append(problems, errors.New("it has no baseline behind a link: nobody reads CPU there"))
	}
	if c.Policy.Profile != "" {
		problems = append(problems, fmt.Errorf("profile %q is a front door that the built-in origin alone stands for", c.Policy.Profile))
	}
	if c.Certificate == "" {
		problems = append(problems, errors.New("the setup names no server certificate: a plaintext listener is opened with Baseline"))
	}
	// One quoting for four languages: what needs none in any of them.
	for what, text := range map[string]string{
		"host": c.Policy.Host, "secret header": c.Policy.SecretHeader,
		"pin": c.Policy.PinValue, "cache control": c.Response.CacheControl,
	} {
		if !quotable(text) {
			problems = append(problems, fmt.Errorf("%s %q has a character that configuration files quote differently: use letters, digits, spaces and + = , . : / _ @ -", what, text))
		}
	}
	return errors.Join(problems...)
}

var plainText = regexp.MustCompile(`^[A-Za-z0-9 +=,.:/_@-]*$`)

func quotable(text string) bool { return plainText.MatchString(text) }

// rendering is a setup on its way into a server's own configuration. All paths
// in a configuration are relative to the private folder.
type rendering struct {
	Setup
	found Installed
	dir   string
	owner *os.File // of dir: see newFolder
	// secrets are the accepted values of the secret header; none: no check.
	secrets []string
	// The listeners; plain is the zero value without a baseline or sides, v6
	// without sides and where this machine has no [::1].
	tls, plain, control, v6 netip.AddrPort
	// ready is the path under which control answers 204.
	ready string
	files []string
	// unchecked leaves it to the server to refuse what is damaged: at a reload
	// that is what is tried.
	unchecked bool
	// What a mistake changes; the zero values are the correct rules.
	secretRule      secretRule
	certificateRule certificateRule
}

// launch is how to start a server.
type launch struct {
	args []string
	env  []string // in addition to PATH
	// logsToStdout names the log file that standard output goes to; "" is the
	// file of diagnostics.
	logsToStdout string
}

// The files that every server finds in its folder.
const (
	certFile   = "server.pem"
	keyFile    = "server.key"
	ownFile    = "include.conf" // Setup.Include
	rootsFile  = "roots.pem"
	listFile   = "revoked.pem"
	objectDir  = "www"
	objectFile = "object"
	outputFile = "output.log"
	accessFile = "access.log"
	errorFile  = "error.log"
)

// write makes a file that only its owner reads.
func (r *rendering) write(name string, content []byte) error {
	if err := os.WriteFile(filepath.Join(r.dir, name), content, 0o600); err != nil {
		return fmt.Errorf("private folder: %w", err)
	}
	r.files = append(r.files, name)
	return nil
}

// prepare writes what every server needs.
func (r *rendering) prepare() error {
	r.mistaken()
	c := r.Config
	if _, err := c.Credentials.Certificate(c.Certificate); err != nil {
		return fmt.Errorf("server certificate: %w", err)
	}
	pair := c.Credentials.Certificates[c.Certificate]
	if err := os.MkdirAll(filepath.Join(r.dir, objectDir), 0o700); err != nil {
		return fmt.Errorf("private folder: %w", err)
	}
	r.files = append(r.files, objectDir)
	var body strings.Builder
	writeObject(&body, objectFile, c.Response.Size)
	return errors.Join(
		r.write(certFile, []byte(pair.Certificate)),
		r.write(keyFile, []byte(pair.Key)),
		r.write(filepath.Join(objectDir, objectFile), []byte(body.String())),
		r.prepareRoots(),
		r.prepareSecrets(),
		r.prepareOwn(),
	)
}

// prepareOwn writes the user's own directives, in a file of theirs: what is
// wrong in it the server says with its name and line.
func (r *rendering) prepareOwn() error {
	if r.Include == "" {
		return nil
	}
	return r.write(ownFile, []byte(r.Include))
}

func (r *rendering) prepareRoots() error {
	p, c := r.Config.Policy, r.Config.Credentials
	if !p.Uses(MTLS) {
		return nil
	}
	if _, err := c.Pool(p.ClientRoots); err != nil && !r.unchecked {
		return fmt.Errorf("client roots: %w", err)
	}
	if err := r.write(rootsFile, []byte(r.mistakenRoots())); err != nil || p.RevocationList == "" {
		return err
	}
	if _, err := c.RevocationList(p.RevocationList, p.ClientRoots); err != nil {
		return fmt.Errorf("revocation list: %w", err)
	}
	return r.write(listFile, onlyLists([]byte(c.RevocationLists[p.RevocationList])))
}

// onlyLists drops the certificates that may stand among revocation lists:
// OpenSSL would take them as trusted. What pki accepted is not damaged.
func onlyLists(bundle []byte) []byte {
	var lists []byte
	for {
		block, rest := pem.Decode(bundle)
		if block == nil {
			return lists
		}
		if block.Type == "X509 CRL" {
			lists = append(lists, pem.EncodeToMemory(block)...)
		}
		bundle = rest
	}
}

func (r *rendering) prepareSecrets() error {
	p := r.Config.Policy
	if !p.Uses(Header) {
		return nil
	}
	for _, name := range []string{p.Secret, p.PreviousSecret} {
		if name == "" {
			continue
		}
		secret, err := r.Config.Credentials.Secret(name)
		if err != nil {
			return err
		}
		if secret == "" || !quotable(secret) {
			return fmt.Errorf("secret %q is empty or has a character that configuration files quote differently: use letters, digits and + = . : / _ @ -", name)
		}
		r.secrets = append(r.secrets, secret)
		if p.Mistake == "single-secret" {
			break
		}
	}
	r.secrets = append(r.secrets, r.mistakenSecrets()...)
	return nil
}

// groups names the groups to offer, as OpenSSL does. TLS 1.2 with a P-256 or
// P-384 certificate at either end fails in OpenSSL without that curve, whatever
// the key exchange uses, which is the first that the client names; TLS 1.3 goes
// by the one share that the client sends.
func (r *rendering) groups() string {
	list := "X25519:P-256"
	switch r.Config.Group {
	case "p256":
		list = "P-256"
	case "x25519mlkem768":
		list = "X25519MLKEM768"
	}
	if r.Key == pki.ECDSAP384 {
		list += ":P-384"
	}
	return list
}

// refuseQUIC is for servers whose HTTP/3 is not written.
func refuseQUIC(_ Installed, s Setup) error {
	if s.Protocol == ProtocolH3 {
		return errors.New("HTTP/3 is not written for it: use the built-in origin")
	}
	return nil
}

// config builds a configuration file of lines.
type config struct{ strings.Builder }

func (c *config) add(format string, args ...any) {
	_, _ = fmt.Fprintf(c, format+"\n", args...) // a builder never fails
}

// addIf keeps conditional lines readable.
func (c *config) addIf(condition bool, format string, args ...any) {
	if condition {
		c.add(format, args...)
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// seconds rounds up: no server waits less than it was told.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
