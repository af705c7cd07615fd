package origin

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// haproxyBuffer is the largest body that HAProxy returns by itself: a
// returned file must fit into one buffer, and every connection has two.
const haproxyBuffer = 1 << 20

func init() {
	registerDriver(Driver{
		Name: "haproxy", Title: "HAProxy, one thread", Package: "haproxy",
		Include: "the frontend of its TLS listener",
		CannotTell: []string{
			"the number of body bytes: replies are counted with the size that was configured",
			"which peers the allowlist turned away: it counts them and writes nothing down",
			"how connections over HTTP/2 ended that began and made no request: they are counted as accepted only",
		},
		binaries: []string{"haproxy"},
		identify: identifyHAProxy,
		limits:   haproxyLimits,
		refuses:  refuseHAProxy,
		render:   renderHAProxy,
		mistakes: []string{"trust-forwarded", "exempt-path-secret"},
		// ca-ignore-err and crt-ignore-err forgive many errors, not all.
		unwritten: []string{"any-certificate"},
		refusesAt: haproxyRefusesAt,
		quit:      "usr1",
		logs:      []string{accessFile},
		parse:     parseHAProxy,
		accepted:  haproxyAccepted,
	})
}

var (
	haproxyVersion = regexp.MustCompile(`(?i)HAProxy version (\S+)`)
	haproxyTLS     = regexp.MustCompile(`(?m)^Running on OpenSSL version : (.+)$`)
)

func identifyHAProxy(ctx context.Context, path string) (Installed, error) {
	said, err := ask(ctx, path, "-vv")
	if err != nil {
		return Installed{}, err
	}
	version, library := haproxyVersion.FindStringSubmatch(said), haproxyTLS.FindStringSubmatch(said)
	if version == nil || library == nil {
		return Installed{}, fmt.Errorf("no HAProxy with TLS: %s", clip(said))
	}
	return Installed{Version: version[1], TLS: library[1], build: said}, nil
}

func haproxyLimits(_ Installed, p Policy) []Limit {
	return append(pinLimit(p, "it has no sample for subject alternative names", PinNone, PinSubject, PinLeaf), revocationRead(p)...)
}

func haproxyRefusesAt(missing Proof) string {
	switch missing {
	case Address:
		return StageTCP
	case Subject, Secret, Authority:
		return StageHTTP
	default:
		return StageTLS
	}
}

func refuseHAProxy(found Installed, s Setup) error {
	if size := s.Config.Response.Size; size > haproxyBuffer {
		return fmt.Errorf("it returns at most %d bytes by itself, not %d", haproxyBuffer, size)
	}
	return errors.Join(refuseGroup(found, s), refuseQUIC(found, s))
}

// haproxyFormat has what fields expects. sess.at tells connections apart that
// had the same port one after the other.
const haproxyFormat = `%ci\t%cp\t%[var(sess.at)]\t%fp\t%[ssl_fc_protocol]\t%[ssl_fc_is_resumed]\t%[ssl_c_err]\t%[fc_err_str]\t%ST\t%[var(txn.denied)]\t%[ssl_fc_sni]\t%[capture.req.hdr(0)]\t%HM\t%HP\t%[ssl_c_serial,hex]\t%HV`

func renderHAProxy(r *rendering) (launch, error) {
	var c config
	timeouts := r.Config.Timeouts
	format := `"` + haproxyFormat + `"`
	c.add("global\nnbthread 1\nmaxconn 1000\nnoreuseport\nlog stdout len 8192 format raw local0 info")
	// Without tickets there is no resumption at all: sessions are not kept either.
	c.addIf(!r.Config.Tickets, "tune.ssl.cachesize 0")
	c.addIf(r.Config.Response.Size > 8<<10, "tune.bufsize %d", r.Config.Response.Size+16<<10)
	c.add("defaults\nmode http\ntimeout client %d\ntimeout http-request %d\ntimeout http-keep-alive %d",
		timeouts.Write.Milliseconds(), timeouts.Header.Milliseconds(), timeouts.Idle.Milliseconds())
	c.add("timeout connect 1000\ntimeout server 1000")
	c.add("frontend tls\nlog global\nlog-format %s\nerror-log-format %s", format, format)
	c.add("bind %s backlog 4096 ssl crt haproxy.pem alpn h2,http/1.1 ssl-min-ver TLSv1.2 curves %s%s", r.tls, r.groups(), haproxyBind(r))
	c.addIf(r.Include != "", "%s", r.Include) // it has no include
	haproxyGuard(&c, r)
	haproxyContent(&c, r)
	if r.Baseline {
		c.add("frontend plain\nlog global\nlog-format %s\nerror-log-format %s\nbind %s backlog 4096", format, format, r.plain)
		c.add("tcp-request connection set-var(sess.at) date(0,us)\nhttp-request capture req.hdr(host) len 128")
		haproxyContent(&c, r)
	}
	c.add("frontend control\nbind %s\nstats enable\nstats uri /status", r.control)
	c.add("http-request return status 204 if { path %s }\nhttp-request deny deny_status 404 if !{ path_beg /status }", r.ready)
	pair := r.Config.Credentials.Certificates[r.Config.Certificate]
	if err := r.write("haproxy.pem", []byte(pair.Certificate+pair.Key)); err != nil {
		return launch{}, err
	}
	return launch{args: []string{"-db", "-f", "haproxy.cfg"}, logsToStdout: accessFile}, r.write("haproxy.cfg", []byte(c.String()))
}

// haproxyBind leaves the choice of the cipher to the client, as the others do:
// servers that choose differently could not be compared.
func haproxyBind(r *rendering) string {
	bind := " prefer-client-ciphers"
	if !r.Config.Tickets {
		bind += " no-tls-tickets"
	}
	p := r.Config.Policy
	if !p.Uses(MTLS) {
		return bind
	}
	bind += map[certificateRule]string{
		requireCertificate:  " verify required ca-file ",
		optionalCertificate: " verify optional ca-file ",
		noCertificate:       " verify none ca-file ",
	}[r.certificateRule] + rootsFile
	if p.RevocationList != "" {
		bind += " crl-file " + listFile
	}
	return bind
}

func haproxyGuard(c *config, r *rendering) {
	p := r.Config.Policy
	c.add("tcp-request connection set-var(sess.at) date(0,us)")
	if p.Uses(Allowlist) {
		allowed := make([]string, len(p.Allow))
		for i, prefix := range p.Allow {
			allowed[i] = prefix.Masked().String()
		}
		switch p.Mistake {
		case "open-allowlist":
		case "trust-forwarded":
			c.add("http-request set-src req.hdr(X-Forwarded-For) if { req.hdr(X-Forwarded-For) -m found }")
			c.add("http-request deny deny_status 403 if !{ src %s }", strings.Join(allowed, " "))
		default:
			c.add("tcp-request connection reject if !{ src %s }", strings.Join(allowed, " "))
		}
	}
	c.add("http-request capture req.hdr(host) len 128")
	refuse := func(proof string, status int, unless string) {
		c.add("http-request set-var(txn.denied) str(%s) unless %s", proof, unless)
		c.add("http-request deny deny_status %d if { var(txn.denied) -m found }", status)
	}
	// host_only is newer than the oldest HAProxy in use: the port is cut off by field.
	c.add("http-request set-var(txn.host) req.hdr(host),field(1,:),lower")
	refuse(Authority.String(), 421, "{ ssl_fc_sni,lower,strcmp(txn.host) eq 0 }")
	if p.Uses(MTLS) {
		switch p.Pin {
		case PinSubject:
			refuse(Subject.String(), 403, fmt.Sprintf("{ ssl_c_s_dn(,0,rfc2253) -m str \"%s\" }", p.PinValue))
		case PinLeaf:
			refuse(Subject.String(), 403, fmt.Sprintf("{ ssl_c_der,sha2(256),hex -m str -i %s }", p.PinValue))
		default:
		}
	}
	if p.Uses(Header) {
		once := fmt.Sprintf("{ req.fhdr_cnt(%s) eq 1 }", p.SecretHeader)
		fold := ""
		if r.secretRule == caselessSecret {
			fold = "-i "
		}
		either := make([]string, len(r.secrets))
		for i, secret := range r.secrets {
			either[i] = fmt.Sprintf("%s { req.fhdr(%s) -m str %s\"%s\" }", once, p.SecretHeader, fold, secret)
		}
		switch {
		case r.secretRule == anySecret:
			either = []string{fmt.Sprintf("{ req.fhdr(%s) -m len gt 0 }", p.SecretHeader)}
		case r.secretRule == optionalSecret:
			either = append(either, fmt.Sprintf("!{ req.fhdr(%s) -m len gt 0 }", p.SecretHeader))
		case p.Mistake == "exempt-path-secret":
			either = append(either, fmt.Sprintf("{ path_sub %s }", exemptWord))
		}
		refuse(Secret.String(), 403, strings.Join(either, " || "))
	}
}

func haproxyContent(c *config, r *rendering) {
	cacheControl := ""
	if value := r.Config.Response.CacheControl; value != "" {
		cacheControl = fmt.Sprintf(" hdr Cache-Control \"%s\"", value)
	}
	c.add("http-request return status 200 content-type application/octet-stream file %s hdr %s %s%s if { path_beg %s }",
		filepath.Join(objectDir, objectFile), ProofHeader, ProtectedContent, cacheControl, r.Config.Route)
	c.add("http-request deny deny_status 404")
}

func parseHAProxy(l *ledger, _, line string) error {
	f, err := fields(line, 16)
	if err != nil {
		// What it says about itself has no tabs: proxies started and stopped.
		if !strings.Contains(line, "\t") {
			return nil
		}
		return err
	}
	peer, err := peerAt(f[0], f[1])
	if err != nil {
		return err
	}
	status, _, err := numbers(f[8], "")
	if err != nil {
		return err
	}
	e := Entry{
		Peer: peer, TLS: strings.TrimPrefix(f[4], "TLSv"), Resumed: f[5] == "1", Status: status,
		Proof: f[9], SNI: f[10], Host: f[11], Method: f[12], Path: f[13], Serial: strings.ToLower(f[14]),
		Protocol: protocolName(f[15]),
	}
	r := request{connection: f[0] + ":" + f[1] + "@" + f[2], plain: "127.0.0.1:"+f[3] == l.plain, bytes: l.size}
	switch {
	case f[7] == "Connection closed during SSL handshake":
		r.noHello = true
	case f[7] != "Success":
		r.handshakeFailed = true
		haproxyFailure(&e, f[6], f[7])
	case e.Method == "<BADREQ>":
		r.silent, r.told = true, true
	default:
		judge(&e)
	}
	r.entry = e
	l.add(r)
	return nil
}

// haproxyFailure reads OpenSSL's X509_V_ERR number of the client certificate.
func haproxyFailure(e *Entry, number, said string) {
	e.Method, e.Path = "", ""
	e.Verdict, e.Stage, e.Reason = Refused, StageTLS, said
	switch number {
	case "", "0":
	case "9", "10":
		e.Proof = Validity.String()
	case "23":
		e.Proof = Freshness.String()
	case "26":
		e.Proof = Purpose.String()
	default:
		e.Proof = Chain.String()
	}
}

// haproxyAccepted adds up what the statistics count for each listener.
func haproxyAccepted(ctx context.Context, r *Running) (accepted, refused int64, err error) {
	_, body, err := r.askControl(ctx, "/status;csv;norefresh")
	if err != nil {
		return 0, 0, err
	}
	reader := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "# ")))
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	if err != nil || len(rows) == 0 {
		return 0, 0, fmt.Errorf("not statistics: %q: %w", clip(body), err)
	}
	for name, sum := range map[string]*int64{"conn_tot": &accepted, "dcon": &refused} {
		at := slices.Index(rows[0], name)
		if at < 0 {
			return 0, 0, fmt.Errorf("statistics without %s: %q", name, clip(body))
		}
		for _, row := range rows[1:] {
			if row[0] != "tls" && row[0] != "plain" || row[1] != "FRONTEND" {
				continue
			}
			n, err := strconv.ParseInt(row[at], 10, 64)
			if err != nil {
				return 0, 0, fmt.Errorf("statistics: %w", err)
			}
			*sum += n
		}
	}
	return accepted, refused, nil
}
