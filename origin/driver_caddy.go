package origin

import (
	"context"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func init() {
	registerDriver(Driver{
		Name: "caddy", Title: "Caddy, GOMAXPROCS=1", Package: "caddy",
		CannotTell: []string{
			"how many connections it accepted: it counts none, so Accepted is the sum of what its logs name",
			"connections that made no request: neither after a handshake nor on the baseline listener",
			"HTTP without TLS on the TLS port: it is answered and not written down",
			"two connections from one port one after the other, unless the first asked to be closed or both are HTTP/3",
			"how handshakes over HTTP/3 ended: its QUIC library's own log has their number alone, and costs five lines for each connection",
			"whether a request over HTTP/3 came in 0-RTT, which it takes on every route",
		},
		binaries:  []string{"caddy"},
		identify:  identifyCaddy,
		limits:    caddyLimits,
		refuses:   refuseCaddy,
		render:    renderCaddy,
		mistakes:  []string{"trust-forwarded"},
		refusesAt: afterHandshake,
		quit:      "term",
		logs:      []string{errorFile, accessFile, outputFile},
		parse:     parseCaddy,
	})
}

var caddyVersion = regexp.MustCompile(`(?m)^v?([0-9]+\.[0-9.]+\S*)`)

func identifyCaddy(ctx context.Context, path string) (Installed, error) {
	said, err := ask(ctx, path, "version")
	if err != nil {
		return Installed{}, err
	}
	version := caddyVersion.FindStringSubmatch(said)
	if version == nil {
		return Installed{}, fmt.Errorf("no Caddy: %s", clip(said))
	}
	built, err := buildinfo.ReadFile(path)
	if err != nil {
		return Installed{}, fmt.Errorf("how it was built: %w", err)
	}
	return Installed{Version: version[1], TLS: "crypto/tls of " + built.GoVersion}, nil
}

// caddyNames is how many subject alternative names of a kind are compared.
const caddyNames = 8

func caddyLimits(_ Installed, p Policy) []Limit {
	var limits []Limit
	if p.Uses(MTLS) && p.RevocationList != "" {
		limits = append(limits, Limit{Proof: Freshness, Reason: "it reads no revocation list"})
	}
	if p.Uses(MTLS) && p.Pin == PinSAN {
		limits = append(limits, Limit{
			Proof: Subject, Weak: true,
			Reason: fmt.Sprintf("of the subject alternative names it compares the first %d of a kind: a certificate that has the pinned one behind those is denied", caddyNames),
		})
	}
	if p.Uses(Header) {
		limits = append(limits, Limit{Proof: Secret, Weak: true, Reason: "one right value among several secret headers is enough"})
	}
	return limits
}

// refuseCaddy knows what Debian's 2.6.2 makes of HTTP/3: it asks for client
// certificates in the handshake, but its handlers see an empty TLS state.
func refuseCaddy(found Installed, s Setup) error {
	problems := []error{refuseGroup(found, s)}
	if p := s.Config.Policy; s.Protocol == ProtocolH3 {
		if p.Host == "" {
			problems = append(problems, errors.New("over HTTP/3 it needs the name of the protected host"))
		}
		if p.Uses(MTLS) && p.Pin != PinNone && !newerThan(found.Version, 2, 6) {
			problems = append(problems, fmt.Errorf("version %s does not pass a client certificate over HTTP/3 on to its handlers, so that it cannot pin %s: use pin none, or h2", found.Version, p.Pin))
		}
	}
	return errors.Join(problems...)
}

// object is a JSON object of Caddy's configuration.
type object map[string]any

func renderCaddy(r *rendering) (launch, error) {
	servers := object{
		"tls":     caddyServer(r, r.tls, caddyGuard(r)),
		"control": object{"listen": []string{r.control.String()}, "automatic_https": object{"disable": true}, "routes": []object{caddyRoute(object{"path": []string{r.ready}}, object{"handler": "static_response", "status_code": 204})}},
	}
	tls := servers["tls"].(object)
	tls["tls_connection_policies"] = []object{caddyTLS(r)}
	tls["strict_sni_host"] = r.Protocol != ProtocolH3 // see caddyTLS
	if r.Baseline {
		servers["plain"] = caddyServer(r, r.plain, nil)
	}
	text, err := json.MarshalIndent(object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"logging": object{"logs": caddyLogs(r)},
		"apps": object{
			"http": object{"grace_period": "1s", "servers": servers},
			"tls": object{
				"certificates":    object{"load_files": []object{{"certificate": certFile, "key": keyFile}}},
				"session_tickets": object{"disabled": !r.Config.Tickets},
			},
		},
	}, "", " ")
	if err != nil {
		return launch{}, fmt.Errorf("caddy configuration: %w", err)
	}
	env := []string{"GOMAXPROCS=1", "XDG_DATA_HOME=" + r.dir, "XDG_CONFIG_HOME=" + r.dir}
	if r.Protocol == ProtocolH3 {
		// Nothing else tells of connections: neither the access log nor, in
		// 2.6.2, the metrics.
		env = append(env, "QUIC_GO_LOG_LEVEL=info")
	}
	return launch{args: []string{"run", "--config", "caddy.json"}, env: env}, r.write("caddy.json", text)
}

// caddyLogs keeps the secret out of the access log, and everything at level
// debug but failed handshakes and refusals.
func caddyLogs(r *rendering) object {
	to := func(file string) object { return object{"output": "file", "filename": file, "roll": false} }
	encoder := object{"format": "json"}
	if r.Config.Policy.Uses(Header) {
		encoder = object{"format": "filter", "wrap": encoder, "fields": object{
			"request>headers>" + guardHeader(r): object{"filter": "delete"},
		}}
	}
	access, trouble := "http.log.access", []string{"http.stdlib", "http.log.error"}
	return object{
		"default": object{"level": "ERROR", "exclude": append([]string{access}, trouble...)},
		"access":  object{"writer": to(accessFile), "encoder": encoder, "include": []string{access}},
		"trouble": object{"writer": to(errorFile), "encoder": encoder, "level": "DEBUG", "include": trouble},
	}
}

func guardHeader(r *rendering) string {
	return (&guard{policy: r.Config.Policy}).secretHeader()
}

func caddyTLS(r *rendering) object {
	curves := []string{"x25519", "secp256r1"}
	if r.Config.Group == "p256" {
		curves = curves[1:]
	}
	policy := object{"alpn": []string{"h2", "http/1.1"}, "protocol_min": "tls1.2", "protocol_max": "tls1.3", "curves": curves}
	p := r.Config.Policy
	if r.Protocol == ProtocolH3 {
		// Over HTTP/3 strict_sni_host sees no server name and refuses all. So
		// that Host is SNI, both have to be the protected host: SNI here, where
		// no other policy follows, and Host in caddyGuard.
		policy["match"] = object{"sni": []string{hostName(p.Host)}}
	}
	if !p.Uses(MTLS) {
		return policy
	}
	var roots []string
	for bundle := []byte(r.mistakenRoots()); ; {
		block, rest := pem.Decode(bundle)
		if block == nil {
			break
		}
		roots = append(roots, base64.StdEncoding.EncodeToString(block.Bytes))
		bundle = rest
	}
	mode := map[certificateRule]string{
		requireCertificate: "require_and_verify", optionalCertificate: "verify_if_given", anyCertificate: "require",
	}[r.certificateRule]
	if r.certificateRule != noCertificate {
		policy["client_authentication"] = object{"mode": mode, "trusted_ca_certs": roots}
	}
	return policy
}

func caddyServer(r *rendering, at netip.AddrPort, guard []object) object {
	timeouts := r.Config.Timeouts
	protocols := []string{"h1", "h2"}
	if r.Protocol == ProtocolH3 && at == r.tls {
		protocols = append(protocols, "h3")
	}
	return object{
		"listen": []string{at.String()}, "protocols": protocols,
		"automatic_https": object{"disable": true},
		"logs":            object{},
		"routes":          append(guard, caddyContent(r)...),

		"read_header_timeout": timeouts.Header.Nanoseconds(), "read_timeout": timeouts.Read.Nanoseconds(),
		"write_timeout": timeouts.Write.Nanoseconds(), "idle_timeout": timeouts.Idle.Nanoseconds(),
	}
}

func caddyRoute(match any, handlers ...object) object {
	return object{"match": []any{match}, "handle": handlers, "terminal": true}
}

// caddyGuard refuses by routes that match what is wrong; the error's text is
// in the log and not in the reply.
func caddyGuard(r *rendering) []object {
	p := r.Config.Policy
	var routes []object
	refuse := func(missing Proof, unless ...object) {
		status := 403
		if missing == Authority {
			status = 421
		}
		routes = append(routes, caddyRoute(object{"not": unless}, object{"handler": "error", "error": missing.String(), "status_code": status}))
	}
	if r.Protocol == ProtocolH3 {
		refuse(Authority, object{"host": []string{hostName(p.Host)}})
	}
	if p.Uses(Allowlist) && p.Mistake != "open-allowlist" {
		ranges := make([]string, len(p.Allow))
		for i, prefix := range p.Allow {
			ranges[i] = prefix.Masked().String()
		}
		matcher := object{"ranges": ranges}
		if p.Mistake == "trust-forwarded" {
			matcher["forwarded"] = true
		}
		refuse(Address, object{"remote_ip": matcher})
	}
	if pins := caddyPin(p); pins != nil {
		refuse(Subject, pins...)
	}
	if p.Uses(Header) {
		switch r.secretRule {
		case anySecret:
			refuse(Secret, object{"header": object{p.SecretHeader: []string{"*"}}})
		case optionalSecret:
			refuse(Secret, object{"header": object{p.SecretHeader: r.secrets}}, object{"header": object{p.SecretHeader: nil}}, object{"header": object{p.SecretHeader: []string{""}}})
		case caselessSecret:
			refuse(Secret, object{"header_regexp": object{p.SecretHeader: object{"pattern": "(?i)^(" + strings.Join(r.secrets, "|") + ")$"}}})
		default:
			refuse(Secret, object{"header": object{p.SecretHeader: r.secrets}})
		}
	}
	return routes
}

// caddyPin is the ways in which a certificate can be the pinned one.
func caddyPin(p Policy) []object {
	is := func(name string) object {
		return object{"vars": object{"{http.request.tls.client." + name + "}": []string{p.PinValue}}}
	}
	if !p.Uses(MTLS) {
		return nil
	}
	switch p.Pin {
	case PinSubject:
		return []object{is("subject")}
	case PinLeaf:
		return []object{{"vars": object{"{http.request.tls.client.fingerprint}": []string{strings.ToLower(p.PinValue)}}}}
	case PinSAN:
		var either []object
		for i := range caddyNames {
			either = append(either, is(fmt.Sprintf("san.uris.%d", i)), is(fmt.Sprintf("san.dns_names.%d", i)))
		}
		return either
	default:
		return nil
	}
}

func caddyContent(r *rendering) []object {
	set := object{ProofHeader: []string{ProtectedContent}, "Content-Type": []string{"application/octet-stream"}}
	if value := r.Config.Response.CacheControl; value != "" {
		set["Cache-Control"] = []string{value}
	}
	return []object{
		caddyRoute(object{"path": []string{r.Config.Route + "*"}},
			object{"handler": "headers", "response": object{"set": set}},
			object{"handler": "rewrite", "uri": "/" + objectFile},
			object{"handler": "file_server", "root": filepath.Join(r.dir, objectDir)}),
		{"handle": []object{{"handler": "static_response", "status_code": 404}}},
	}
}

// caddyLine is what is read of a line of either log.
type caddyLine struct {
	Logger  string `json:"logger"`
	Message string `json:"msg"`
	Status  int    `json:"status"`
	Size    int64  `json:"size"`
	Request struct {
		IP      string              `json:"remote_ip"`
		Port    string              `json:"remote_port"`
		Method  string              `json:"method"`
		Host    string              `json:"host"`
		URI     string              `json:"uri"`
		Proto   string              `json:"proto"`
		Headers map[string][]string `json:"headers"`
		TLS     *struct {
			Resumed bool   `json:"resumed"`
			Version uint16 `json:"version"`
			Name    string `json:"server_name"`
			Serial  string `json:"client_serial"`
		} `json:"tls"`
	} `json:"request"`
}

var caddyFailure = regexp.MustCompile(`^http: TLS handshake error from (\S+): (.*)$`)

func parseCaddy(l *ledger, file, text string) error {
	var line caddyLine
	if file == outputFile {
		return parseCaddyQUIC(l, text)
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		return fmt.Errorf("not a line of Caddy: %w", err)
	}
	if file == errorFile {
		return parseCaddyTrouble(l, line)
	}
	peer, err := peerAt(line.Request.IP, line.Request.Port)
	if err != nil {
		return err
	}
	e := Entry{Peer: peer, Status: line.Status, Host: line.Request.Host, Method: line.Request.Method, Path: line.Request.URI, Protocol: protocolName(line.Request.Proto)}
	if tls := line.Request.TLS; tls != nil {
		e.TLS, e.Resumed, e.SNI = versionName(tls.Version), tls.Resumed, tls.Name
		if serial, ok := new(big.Int).SetString(tls.Serial, 10); ok {
			e.Serial = serial.Text(16)
		}
	}
	e.Proof = l.reasons[peer]
	delete(l.reasons, peer)
	judge(&e)
	r := request{entry: e, connection: peer.String(), plain: e.TLS == "", bytes: line.Size}
	if e.Protocol == ProtocolH3 {
		// parseCaddyQUIC counts it: a port may come back, and is no name for it.
		r.connection = "HTTP/3"
		l.known[r.connection] = true
	}
	l.add(r)
	if slices.Contains(line.Request.Headers["Connection"], "close") {
		delete(l.known, peer.String())
	}
	return nil
}

var caddyQUICEnd = regexp.MustCompile(`"msg":"server Connection [0-9a-f]+ closed\."`)

// parseCaddyQUIC counts the QUIC connections that have ended; how their
// handshakes did is written nowhere.
func parseCaddyQUIC(l *ledger, text string) error {
	if caddyQUICEnd.MatchString(text) {
		l.counts.Untold++
	}
	return nil
}

func parseCaddyTrouble(l *ledger, line caddyLine) error {
	if strings.HasPrefix(line.Logger, "http.log.error") {
		peer, err := peerAt(line.Request.IP, line.Request.Port)
		if err != nil {
			return err
		}
		if missing, err := ParseProof(line.Message); err == nil {
			l.reasons[peer] = missing.String()
		}
		return nil
	}
	m := caddyFailure.FindStringSubmatch(line.Message)
	if m == nil {
		return nil
	}
	peer, err := netip.ParseAddrPort(m[1])
	if err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	e := Entry{Peer: netip.AddrPortFrom(plainAddr(peer.Addr()), peer.Port()), Verdict: Refused, Stage: StageTLS, Reason: m[2]}
	if strings.Contains(m[2], "certificate") {
		e.Proof = certificateProof(m[2]).String()
	}
	delete(l.known, peer.String())
	// Nothing follows a failed handshake on its connection.
	l.add(request{entry: e, connection: peer.String(), handshakeFailed: m[2] != "EOF", noHello: m[2] == "EOF"})
	delete(l.known, peer.String())
	return nil
}
