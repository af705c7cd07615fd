package origin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

func init() {
	registerDriver(Driver{
		Name: "nginx", Title: "nginx, one worker process", Package: "nginx-light",
		Include: "the server block of its TLS listener",
		CannotTell: []string{
			"the port of a peer whose handshake failed: the error log names addresses only",
			"whether a handshake that no request followed was full or resumed",
			"how connections over HTTP/2 ended that made no request: they are counted as accepted only",
		},
		binaries: []string{"nginx"},
		identify: identifyNginx,
		limits:   nginxLimits,
		refuses:  refuseNginx,
		render:   renderNginx,
		mistakes: []string{
			"answer-before-allowlist", "trust-forwarded", "alias-header", "exempt-path-secret",
			"exempt-path-certificate", "trust-forwarded-certificate", "first-value",
			"plain-open-allowlist", "plain-no-secret", "plain-no-certificate", "v4-only-allowlist",
			"lax-default", "no-authority-check", "echo-header", "guard-behind-router", "handshake-only-revocation",
			"own-name-only",
		},
		sides: []string{SidePlain, SideV6}, publicHosts: true, reload: "hup",
		// optional_no_ca forgives an unknown authority and nothing else.
		unwritten: []string{"any-certificate"},
		refusesAt: nginxRefusesAt,
		quit:      "quit",
		logs:      []string{accessFile, errorFile},
		parse:     parseNginx,
		accepted:  nginxAccepted,
	})
}

var (
	nginxVersion = regexp.MustCompile(`nginx version: \S+/([0-9][0-9.]*)`)
	nginxTLS     = regexp.MustCompile(`(?m)^(built|running) with (.+?)(?: \(running with (.+)\))?$`)
)

func identifyNginx(ctx context.Context, path string) (Installed, error) {
	said, err := ask(ctx, path, "-V")
	if err != nil {
		return Installed{}, err
	}
	version, library := nginxVersion.FindStringSubmatch(said), nginxTLS.FindStringSubmatch(said)
	if version == nil || library == nil {
		return Installed{}, fmt.Errorf("no nginx with TLS: %s", clip(said))
	}
	found := Installed{Version: version[1], TLS: library[2], build: said}
	if library[3] != "" {
		found.TLS = library[3]
	}
	return found, nil
}

func nginxLimits(found Installed, p Policy) []Limit {
	limits := pinLimit(p, "its variables have the subject, and of the certificate only the SHA-1", PinNone, PinSubject)
	limits = append(limits, revocationRead(p)...)
	if p.Uses(Header) && !newerThan(found.Version, 1, 22) {
		limits = append(limits, Limit{
			Proof: Secret, Weak: true,
			Reason: "before 1.23 it compares the first of several secret headers and overlooks the others",
		})
	}
	return limits
}

// nginxRefusesAt: a certificate that does not verify is answered with 400; only
// one whose key the client lacks ends the handshake.
func nginxRefusesAt(missing Proof) string {
	if missing == Possession {
		return StageTLS
	}
	return StageHTTP
}

// newerThan compares the first two numbers of a version.
func newerThan(version string, major, minor int) bool {
	var a, b int
	if _, err := fmt.Sscanf(version, "%d.%d", &a, &b); err != nil {
		return false
	}
	return a > major || a == major && b > minor
}

// nginxFormat has what fields expects, after the peer's address and port.
// escape=json keeps tabs out of values.
const nginxFormat = `log_format origin escape=json "%s\t$connection\t$ssl_protocol\t$ssl_session_reused\t$ssl_client_verify\t$status\t$body_bytes_sent\t$denied\t$ssl_server_name\t$http_host\t$request_method\t$request_uri\t$ssl_client_serial\t$server_port\t$server_protocol";`

func renderNginx(r *rendering) (launch, error) {
	var c config
	timeouts := r.Config.Timeouts
	c.add("daemon off;\nmaster_process on;\nworker_processes 1;\npid nginx.pid;\nlock_file nginx.lock;")
	// At level info it says how each connection without a request ended.
	c.add("error_log %s info;", errorFile)
	c.add("events { worker_connections 4096; }\nhttp {")
	for _, module := range []string{"fastcgi", "uwsgi", "scgi", "proxy"} {
		c.addIf(!strings.Contains(r.found.build, "--without-http_"+module+"_module"), "%s_temp_path tmp-%s;", module, module)
	}
	c.add("client_body_temp_path tmp-body;")
	peer := `$remote_addr\t$remote_port`
	if strings.Contains(r.found.build, "--with-http_realip_module") {
		peer = `$realip_remote_addr\t$realip_remote_port` // whoever a header says it is
	}
	c.add(nginxFormat+"\naccess_log %s origin;", peer, accessFile)
	c.add("default_type application/octet-stream;\nserver_tokens off;\nsendfile on;\nuninitialized_variable_warn off;")
	c.add("keepalive_requests 1000000000;\nkeepalive_timeout %ds;", seconds(timeouts.Idle))
	c.add("client_header_timeout %ds;\nclient_body_timeout %ds;\nsend_timeout %ds;", seconds(timeouts.Header), seconds(timeouts.Read), seconds(timeouts.Write))
	nginxListen(&c, r)
	nginxTLSLines(&c, r)
	nginxGuard(&c, r)
	nginxContent(&c, r, ProtectedContent)
	c.add("}")
	nginxPublic(&c, r)
	nginxPlain(&c, r)
	c.add("server {\nlisten %s;\naccess_log off;\nlocation = %s { return 204; }\nlocation = /status { stub_status; }\nlocation / { return 404; }\n}", r.control, r.ready)
	c.add("}")
	return launch{args: []string{"-p", r.dir + "/", "-e", errorFile, "-c", "nginx.conf"}}, r.write("nginx.conf", []byte(c.String()))
}

// nginxListen offers HTTP/2 beside HTTP/1.1 where the module is built in. As a
// directive of its own it came with 1.25.1.
func nginxListen(c *config, r *rendering) {
	h2 := nginxHasH2(r.found)
	directive := newerThan(r.found.Version, 1, 25) || strings.HasPrefix(r.found.Version, "1.25.") && r.found.Version != "1.25.0"
	option := ""
	if h2 && !directive {
		option = " http2"
	}
	c.add("server {\nlisten %s ssl%s backlog=4096 default_server;\nserver_name _;", r.tls, option)
	c.addIf(r.v6.IsValid(), "listen %s ssl%s default_server;", r.v6, option)
	c.addIf(h2 && directive, "http2 on;")
	c.addIf(r.Include != "", "include %s;", ownFile)
}

func nginxHasH2(found Installed) bool {
	return strings.Contains(found.build, "--with-http_v2_module")
}

func refuseNginx(found Installed, s Setup) error {
	if s.Protocol == ProtocolH2 && !nginxHasH2(found) {
		return errors.New("it was built without HTTP/2 (--with-http_v2_module)")
	}
	return errors.Join(refuseGroup(found, s), refuseQUIC(found, s))
}

// nginxServerTLS is what every block with TLS has.
func nginxServerTLS(c *config, r *rendering) {
	c.add("ssl_certificate %s;\nssl_certificate_key %s;", certFile, keyFile)
	c.add("ssl_protocols TLSv1.2 TLSv1.3;\nssl_ecdh_curve %s;", r.groups())
	c.add("ssl_session_tickets %s;", onOff(r.Config.Tickets))
	// off, unlike the default none, also tells clients not to try again.
	c.addIf(!r.Config.Tickets, "ssl_session_cache off;")
}

func nginxTLSLines(c *config, r *rendering) {
	nginxServerTLS(c, r)
	p := r.Config.Policy
	if !p.Uses(MTLS) {
		return
	}
	if r.certificateRule == noCertificate {
		c.add("ssl_client_certificate %s;", rootsFile)
		return
	}
	verify := map[certificateRule]string{requireCertificate: "on", optionalCertificate: "optional"}[r.certificateRule]
	c.add("ssl_verify_client %s;\nssl_verify_depth 10;\nssl_client_certificate %s;", verify, rootsFile)
	c.addIf(p.RevocationList != "", "ssl_crl %s;", listFile)
}

// nginxGuard refuses with if in the server block, before any location is
// chosen: the one use of if that is safe is with return.
func nginxGuard(c *config, r *rendering) {
	p := r.Config.Policy
	c.add("set $denied \"\";")
	c.addIf(!nginxOneBlock(p), "if ($ssl_server_name != $host) { set $denied authority; return 421; }")
	if p.Uses(MTLS) && p.Pin == PinSubject {
		c.add("if ($ssl_client_s_dn != \"%s\") { set $denied subject; return 403; }", p.PinValue)
	}
	nginxSecret(c, r)
	c.addIf(p.Uses(Header) && p.Mistake != "guard-behind-router", "if ($secret = wrong) { set $denied secret; return 403; }")
	nginxExcuses(c, p)
	nginxAllow(c, p)
}

// nginxSecret says in $secret whether the header is right.
func nginxSecret(c *config, r *rendering) {
	p := r.Config.Policy
	if p.Uses(Header) {
		variable := "$http_" + nginxVariable(p.SecretHeader)
		c.add("set $secret wrong;")
		equals := map[secretRule]string{exactSecret: "=", optionalSecret: "=", anySecret: "!=", caselessSecret: "~*"}[r.secretRule]
		values := r.secrets
		if r.secretRule == anySecret {
			values = []string{""}
		}
		for _, secret := range values {
			c.add("if (%s %s \"%s\") { set $secret right; }", variable, equals, secret)
		}
		c.addIf(r.secretRule == optionalSecret, "if (%s = \"\") { set $secret right; }", variable)
		c.addIf(p.Mistake == "exempt-path-secret", "if ($request_uri ~ %s) { set $secret right; }", exemptWord)
		c.addIf(p.Mistake == "own-name-only", "if ($host != %s) { set $secret right; }", hostName(p.Host))
		c.addIf(p.Mistake == "alias-header", "underscores_in_headers on;")
	}
}

func nginxAllow(c *config, p Policy) {
	if p.Uses(Allowlist) {
		for _, prefix := range p.Allow {
			c.add("allow %s;", prefix.Masked())
		}
		c.addIf(p.Mistake == "v4-only-allowlist", "allow ::/0;")
		c.addIf(p.Mistake != "open-allowlist", "deny all;")
		c.addIf(p.Mistake == "trust-forwarded", "set_real_ip_from 0.0.0.0/0;\nreal_ip_header X-Forwarded-For;")
	}
}

// nginxExcuses are mistakes that let a missing certificate pass, by path or by
// what a header claims.
func nginxExcuses(c *config, p Policy) {
	excuse, pattern := "", ""
	switch p.Mistake {
	case "exempt-path-certificate":
		excuse, pattern = "$request_uri", exemptWord
	case "trust-forwarded-certificate":
		excuse, pattern = "$http_x_ssl_client_verify", "SUCCESS"
	case "lax-default":
		c.add("set $certificate SUCCESS;\nif ($ssl_server_name = \"%s\") { set $certificate $ssl_client_verify; }", p.Host)
		c.add("if ($certificate != SUCCESS) { set $denied chain; return 403; }")
		return
	case "no-authority-check":
		excuse, pattern = "$ssl_server_name", "^("+strings.Join(p.PublicHosts, "|")+")$"
	default:
		return
	}
	c.add("set $certificate $ssl_client_verify;\nif (%s ~ %s) { set $certificate SUCCESS; }", excuse, pattern)
	c.add("if ($certificate != SUCCESS) { set $denied chain; return 403; }")
}

// nginxContent serves a file: a return would answer before allow and deny.
func nginxContent(c *config, r *rendering, proof string) {
	p := r.Config.Policy
	c.add("root %s;\nlocation %s {\nadd_header %s %s;", objectDir, r.Config.Route, ProofHeader, proof)
	c.addIf(p.Uses(Header) && p.Mistake == "guard-behind-router" && proof == ProtectedContent, "if ($secret = wrong) { set $denied secret; return 403; }")
	c.addIf(r.Config.Response.CacheControl != "", "add_header Cache-Control \"%s\";", r.Config.Response.CacheControl)
	c.addIf(r.Config.Policy.Mistake == "answer-before-allowlist", "return 200 early;")
	c.add("try_files /%s =404;\n}", objectFile)
	if p.Mistake == "echo-header" {
		c.add("location / { return 404 \"nothing here, and the request had: $http_%s\"; }", nginxVariable(p.SecretHeader))
		return
	}
	c.add("location / { try_files /none =404; }")
}

func parseNginx(l *ledger, file, line string) error {
	if file == errorFile {
		return parseNginxError(l, line)
	}
	f, err := fields(line, 16)
	if err != nil {
		return err
	}
	peer, err := peerAt(f[0], f[1])
	if err != nil {
		return err
	}
	status, size, err := numbers(f[6], f[7])
	if err != nil {
		return err
	}
	e := Entry{
		Peer: peer, TLS: strings.TrimPrefix(f[3], "TLSv"), Resumed: f[4] == "r", Status: status,
		Proof: f[8], SNI: f[9], Host: f[10], Method: f[11], Path: f[12], Serial: strings.ToLower(f[13]),
		Protocol: protocolName(f[15]),
	}
	// Both are answered with 400, after a handshake that did not mind.
	if reason, failed := strings.CutPrefix(f[5], "FAILED:"); failed {
		e.Proof, e.Reason = certificateProof(reason).String(), reason
	} else if f[5] == "NONE" && status == 400 {
		e.Proof, e.Reason = Chain.String(), "no client certificate"
	} else if status == 403 && e.Proof == "" {
		e.Proof = Address.String()
	}
	judge(&e)
	r := request{entry: e, connection: f[2], plain: "127.0.0.1:"+f[14] == l.plain, bytes: size}
	// HTTP on the TLS port is answered without TLS.
	r.handshakeFailed = !r.plain && f[3] == ""
	l.add(r)
	return nil
}

var nginxEnd = regexp.MustCompile(`#\d+: \*(\d+) (.*), client: ([^,]+), server: (\S+)$`)

// parseNginxError reads how connections without a request ended.
func parseNginxError(l *ledger, line string) error {
	m := nginxEnd.FindStringSubmatch(line)
	if m == nil || l.known[m[1]] {
		return nil
	}
	r := request{connection: m[1]}
	switch {
	case strings.HasSuffix(m[2], "client closed connection while SSL handshaking"):
		r.noHello = true
	case strings.Contains(m[2], "while SSL handshaking"):
		addr, err := netip.ParseAddr(m[3])
		if err != nil {
			return fmt.Errorf("peer: %w", err)
		}
		r.handshakeFailed = true
		r.entry = Entry{Peer: netip.AddrPortFrom(plainAddr(addr), 0), Verdict: Refused, Stage: StageTLS, Reason: strings.TrimSuffix(m[2], " while SSL handshaking")}
	case strings.Contains(m[2], "while waiting for request"):
		r.silent = true
		r.plain = l.plain != "" && m[4] == l.plain
		if l.control == m[4] {
			return nil
		}
	default:
		return nil
	}
	l.add(r)
	return nil
}

var nginxAccepts = regexp.MustCompile(`accepts handled requests\s+(\d+)`)

// nginxAccepted is what stub_status counts on all listeners, less our own.
func nginxAccepted(ctx context.Context, r *Running) (accepted, refused int64, err error) {
	_, body, err := r.askControl(ctx, "/status")
	if err != nil {
		return 0, 0, err
	}
	m := nginxAccepts.FindStringSubmatch(body)
	if m == nil {
		return 0, 0, fmt.Errorf("not a status: %q", clip(body))
	}
	accepts, err := strconv.ParseInt(m[1], 10, 64)
	return accepts - r.asked.Load(), 0, err
}
