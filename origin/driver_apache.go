package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func init() {
	registerDriver(Driver{
		Name: "apache", Title: "Apache httpd, event MPM, one child process", Package: "apache2-bin",
		Include: "the virtual host of its TLS listener",
		CannotTell: []string{
			"how the handshake of a connection ended on which neither a request nor a failure was written down: those are the untold",
			"whether a failed handshake had sent a ClientHello when the connection was closed",
			"connections to the baseline listener that made no request",
		},
		binaries: []string{"apache2", "httpd"},
		identify: identifyApache,
		limits:   apacheLimits,
		refuses:  refuseApache,
		render:   renderApache,
		mistakes: []string{"exempt-path-secret"},
		// optional_no_ca forgives an unknown authority and nothing else.
		unwritten: []string{"any-certificate"},
		refusesAt: afterHandshake,
		quit:      "winch",
		logs:      []string{accessFile, errorFile},
		parse:     parseApache,
		opened:    true,
	})
}

var (
	apacheVersion = regexp.MustCompile(`Server version: Apache/(\S+)`)
	openSSLText   = regexp.MustCompile(`OpenSSL [0-9]+\.[0-9]+\.[0-9]+[a-z]? +[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}`)
)

// apacheModules are where systems keep the modules.
var apacheModules = []string{
	"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules",
	"/usr/local/apache2/modules", "/usr/libexec/apache2", "/opt/homebrew/lib/httpd/modules",
}

// identifyApache reads the TLS library from mod_ssl, which knows the one that
// it was built with: only a running server would tell more.
func identifyApache(ctx context.Context, path string) (Installed, error) {
	// -v reads no configuration; httpd may exit with an error without one.
	said, err := ask(ctx, path, "-v")
	if err != nil {
		return Installed{}, err
	}
	version := apacheVersion.FindStringSubmatch(said)
	if version == nil {
		return Installed{}, fmt.Errorf("no Apache httpd: %s", clip(said))
	}
	found := Installed{Version: version[1]}
	for _, dir := range apacheModules {
		module, err := os.ReadFile(filepath.Join(dir, "mod_ssl.so"))
		if err != nil {
			continue
		}
		found.build, found.TLS = dir, "OpenSSL of mod_ssl"
		if text := openSSLText.Find(module); text != nil {
			found.TLS = string(text) + " (built with)"
		}
		if running := runningOpenSSL(module); running != "" {
			found.TLS = running
		}
		return found, nil
	}
	return Installed{}, fmt.Errorf("mod_ssl is in none of %s", strings.Join(apacheModules, ", "))
}

// runningOpenSSL looks into the shared library that the module will load.
func runningOpenSSL(module []byte) string {
	for _, soname := range []string{"libcrypto.so.3", "libcrypto.so.1.1"} {
		if !bytes.Contains(module, []byte(soname)) {
			continue
		}
		for _, pattern := range []string{"/lib/*-linux-gnu/", "/usr/lib64/", "/usr/lib/", "/lib/"} {
			files, err := filepath.Glob(pattern + soname)
			if err != nil || len(files) != 1 {
				continue
			}
			if library, err := os.ReadFile(files[0]); err == nil {
				return string(openSSLText.Find(library))
			}
		}
	}
	return ""
}

// afterHandshake: the certificate is OpenSSL's or crypto/tls's affair, all else
// is decided on the request.
func afterHandshake(missing Proof) string {
	if certificateProofs.Without(Subject).Has(missing) {
		return StageTLS
	}
	return StageHTTP
}

func apacheLimits(_ Installed, p Policy) []Limit {
	limits := pinLimit(p, "its expressions have no SHA-256", PinNone, PinSubject, PinSAN)
	if p.Uses(MTLS) && p.Pin == PinSAN {
		limits = append(limits, Limit{
			Proof: Subject, Weak: true,
			Reason: "the subject alternative names are compared as one text: a certificate with others beside the pinned one is denied",
		})
	}
	return append(limits, revocationRead(p)...)
}

const (
	// apacheFormat has what fields expects.
	apacheFormat      = `%{c}a\t%{remote}p\t%k\t%{SSL_PROTOCOL}x\t%{SSL_SESSION_RESUMED}x\t%>s\t%B\t%{refused}e\t%{SSL_TLS_SNI}x\t%{Host}i\t%m\t%U\t%{SSL_CLIENT_M_SERIAL}x\t%{local}p\t%H\t%{H2_STREAM_ID}e`
	apacheErrorFormat = `%l\t%a\t%M`
)

// apacheThreads bounds the requests in progress; idle connections need none.
const apacheThreads = 64

func renderApache(r *rendering) (launch, error) {
	var c config
	timeouts := r.Config.Timeouts
	for _, module := range []string{"mpm_event", "authz_core", "authz_host", "alias", "env", "headers", "http2", "log_config", "reqtimeout", "rewrite", "setenvif", "ssl", "unixd"} {
		file := filepath.Join(r.found.build, "mod_"+module+".so")
		if _, err := os.Stat(file); err == nil {
			c.add("LoadModule %s_module %s", module, file)
		}
	}
	c.add("ServerName origin\nServerRoot %q\nDefaultRuntimeDir .\nPidFile httpd.pid\nServerTokens Prod", r.dir)
	c.add("ServerLimit 1\nStartServers 1\nThreadsPerChild %d\nThreadLimit %d\nMaxRequestWorkers %d", apacheThreads, apacheThreads, apacheThreads)
	c.add("MinSpareThreads 1\nMaxSpareThreads %d\nMaxConnectionsPerChild 0\nListenBacklog 4096\nGracefulShutdownTimeout 1", apacheThreads)
	c.add("KeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout %d\nTimeout %d", seconds(timeouts.Idle), seconds(timeouts.Write))
	c.add("RequestReadTimeout handshake=%d header=%d body=%d", seconds(timeouts.Handshake), seconds(timeouts.Header), seconds(timeouts.Read))
	c.add("ErrorLog %s\nErrorLogFormat \"%s\"\nLogLevel warn ssl:info", errorFile, apacheErrorFormat)
	c.add("LogFormat \"%s\" origin", apacheFormat)
	c.add("<Directory />\nRequire all denied\nAllowOverride None\n</Directory>")
	c.add("SSLSessionCache none")
	c.add("Listen %s https\n<VirtualHost %s>\nCustomLog %s origin", r.tls, r.tls, accessFile)
	c.addIf(r.Include != "", "Include %s", ownFile) // first: of two the later one counts
	c.addIf(apacheHasH2(r.found), "Protocols h2 http/1.1\nH2MinWorkers 1\nH2MaxWorkers %d", apacheThreads)
	if err := apacheNames(&c, r); err != nil {
		return launch{}, err
	}
	apacheTLS(&c, r)
	apacheGuard(&c, r)
	c.add("</VirtualHost>")
	if r.Baseline {
		c.add("Listen %s http\n<VirtualHost %s>\nCustomLog %s origin", r.plain, r.plain, accessFile)
		apacheContent(&c, r, "Require all granted")
		c.add("</VirtualHost>")
	}
	c.add("Listen %s http\n<VirtualHost %s>\nRewriteEngine on\nRewriteRule ^%s$ - [R=204,L]\n</VirtualHost>", r.control, r.control, r.ready)
	return launch{args: []string{"-d", r.dir, "-f", "httpd.conf", "-D", "FOREGROUND"}}, r.write("httpd.conf", []byte(c.String()))
}

// apacheHasH2 looks for the module where mod_ssl is.
func apacheHasH2(found Installed) bool {
	_, err := os.Stat(filepath.Join(found.build, "mod_http2.so"))
	return found.build != "" && err == nil
}

func refuseApache(found Installed, s Setup) error {
	if s.Protocol == ProtocolH2 && !apacheHasH2(found) {
		return fmt.Errorf("it has no HTTP/2: mod_http2.so is not in %q", found.build)
	}
	return errors.Join(refuseGroup(found, s), refuseQUIC(found, s))
}

// apacheNames names the host: of a server name that it does not know, TLS 1.2
// resumption loses track, and the request could not be compared with it.
func apacheNames(c *config, r *rendering) error {
	certificate, err := r.Config.Credentials.Certificate(r.Config.Certificate)
	if err != nil {
		return fmt.Errorf("server certificate: %w", err)
	}
	names := certificate.Leaf.DNSNames
	if host := hostName(r.Config.Policy.Host); host != "" {
		names = append([]string{host}, names...)
	}
	for i, name := range names {
		switch {
		case !quotable(name): // a wildcard, which no request is for
		case i == 0:
			c.add("ServerName %s", name)
		default:
			c.add("ServerAlias %s", name)
		}
	}
	return nil
}

func apacheTLS(c *config, r *rendering) {
	p := r.Config.Policy
	c.add("SSLEngine on\nSSLProtocol -all +TLSv1.2 +TLSv1.3\nSSLCertificateFile %s\nSSLCertificateKeyFile %s", certFile, keyFile)
	c.add("SSLOpenSSLConfCmd Groups %s\nSSLSessionTickets %s", r.groups(), onOff(r.Config.Tickets))
	if !p.Uses(MTLS) {
		return
	}
	verify := map[certificateRule]string{
		requireCertificate: "require", optionalCertificate: "optional", noCertificate: "none",
	}[r.certificateRule]
	c.add("SSLVerifyClient %s\nSSLVerifyDepth 10\nSSLCACertificateFile %s", verify, rootsFile)
	c.addIf(p.RevocationList != "", "SSLCARevocationFile %s\nSSLCARevocationCheck chain", listFile)
}

// apacheGuard marks a request with the proof it lacks and requires that there
// is no mark; the log has the mark. SetEnvIfExpr sees the TLS variables.
func apacheGuard(c *config, r *rendering) {
	p := r.Config.Policy
	c.add("RewriteEngine on")
	c.add(`RewriteCond %%{SSL:SSL_TLS_SNI}|%%{HTTP_HOST} "!^([^|]+)\|\1(:[0-9]+)?$" [NC]`)
	c.add("RewriteRule ^ - [R=421,L]\nRewriteRule !^%s - [R=404,L]", regexp.QuoteMeta(r.Config.Route))
	if p.Uses(Header) {
		either := make([]string, len(r.secrets))
		for i, secret := range r.secrets {
			either[i] = fmt.Sprintf("%%{HTTP:%s} == '%s'", p.SecretHeader, secret)
			if r.secretRule == caselessSecret {
				either[i] = fmt.Sprintf("%%{HTTP:%s} =~ /^%s$/i", p.SecretHeader, secret)
			}
		}
		switch {
		case r.secretRule == anySecret:
			either = []string{fmt.Sprintf("%%{HTTP:%s} != ''", p.SecretHeader)}
		case r.secretRule == optionalSecret:
			either = append(either, fmt.Sprintf("%%{HTTP:%s} == ''", p.SecretHeader))
		case p.Mistake == "exempt-path-secret":
			either = append(either, fmt.Sprintf("%%{REQUEST_URI} =~ /%s/", exemptWord))
		}
		c.add("SetEnvIfExpr \"! (%s)\" refused=secret", strings.Join(either, " || "))
	}
	if p.Uses(MTLS) {
		switch p.Pin {
		case PinSubject:
			c.add("SetEnvIfExpr \"! (%%{SSL_CLIENT_S_DN} == '%s')\" refused=subject", p.PinValue)
		case PinSAN:
			c.add("SetEnvIfExpr \"! ('URI:%s' in PeerExtList('2.5.29.17') || 'DNS:%s' in PeerExtList('2.5.29.17'))\" refused=subject", p.PinValue, p.PinValue)
		default:
		}
	}
	require := "Require not env refused"
	if p.Uses(Allowlist) && p.Mistake != "open-allowlist" {
		prefixes := make([]string, len(p.Allow))
		for i, prefix := range p.Allow {
			prefixes[i] = prefix.Masked().String()
		}
		require += "\nRequire ip " + strings.Join(prefixes, " ")
	} else {
		require += "\nRequire all granted"
	}
	apacheContent(c, r, "<RequireAll>\n"+require+"\n</RequireAll>")
}

func apacheContent(c *config, r *rendering, require string) {
	c.add("AliasMatch ^%s %s\n<Location %s>\n%s", regexp.QuoteMeta(r.Config.Route), filepath.Join(r.dir, objectDir, objectFile), r.Config.Route, require)
	c.add("Header set %s %s\nHeader set Content-Type application/octet-stream", ProofHeader, ProtectedContent)
	c.addIf(r.Config.Response.CacheControl != "", "Header set Cache-Control \"%s\"", r.Config.Response.CacheControl)
	c.add("</Location>\n<Directory %q>\n%s\n</Directory>", filepath.Join(r.dir, objectDir), require)
}

func parseApache(l *ledger, file, line string) error {
	if file == errorFile {
		return parseApacheError(l, line)
	}
	f, err := fields(line, 16)
	if err != nil {
		return err
	}
	peer, err := peerAt(f[0], f[1])
	if err != nil {
		return err
	}
	status, size, err := numbers(f[5], f[6])
	if err != nil {
		return err
	}
	e := Entry{
		Peer: peer, TLS: strings.TrimPrefix(f[3], "TLSv"), Resumed: f[4] == "Resumed", Status: status,
		Proof: f[7], SNI: f[8], Host: f[9], Method: f[10], Path: f[11], Serial: strings.ToLower(f[12]),
		Protocol: protocolName(f[14]),
	}
	if status == 403 && e.Proof == "" {
		e.Proof = Address.String()
	}
	judge(&e)
	if apacheOpens(l, e, f[2], f[15]) {
		delete(l.known, peer.String())
	}
	r := request{entry: e, connection: peer.String(), plain: "127.0.0.1:"+f[13] == l.plain, bytes: size}
	// HTTP on the TLS port is answered without TLS.
	r.handshakeFailed = !r.plain && f[3] == ""
	l.add(r)
	return nil
}

// apacheOpens says whether a line belongs to another connection of the peer
// than the lines before. The first request of a connection has none kept alive
// before it. Over HTTP/2 that number says nothing and requests end in any order:
// there each connection has one first stream, which a refused request does not
// name.
func apacheOpens(l *ledger, e Entry, kept, stream string) bool {
	peer := e.Peer.String()
	begun := peer + " has had its first stream"
	switch {
	case e.Protocol != ProtocolH2:
		l.known[begun] = true
		return kept == "" || kept == "0"
	case stream == "1":
		again := l.known[begun]
		l.known[begun] = true
		return again
	default:
		if !l.known[peer] {
			l.known[begun] = false
		}
		return false
	}
}

var apacheFailures = regexp.MustCompile(`^AH(02006|02007|02008)`)

// parseApacheError follows the connections that mod_ssl writes down. OpenSSL's
// own words are on the line after the failure and name no peer.
func parseApacheError(l *ledger, line string) error {
	failed := l.failed
	l.failed = netip.AddrPort{}
	if failed.IsValid() && strings.Contains(line, "peer did not return a certificate") {
		l.amend(failed, Chain, "no client certificate")
		return nil
	}
	_, rest, _ := strings.Cut(line, "\t")
	client, message, tabbed := strings.Cut(rest, "\t")
	peer, err := netip.ParseAddrPort(client)
	if !tabbed || err != nil {
		return nil // about the server itself
	}
	switch {
	case strings.HasPrefix(message, "AH01964"):
		l.opened++
		delete(l.reasons, peer)
	case strings.HasPrefix(message, "AH02276") || strings.HasPrefix(message, "AH02039"):
		l.reasons[peer], _, _ = strings.Cut(message, " [subject")
	case apacheFailures.MatchString(message):
		e := Entry{Peer: peer, Verdict: Refused, Stage: StageTLS, Reason: message}
		if reason := l.reasons[peer]; reason != "" {
			e.Proof, e.Reason = certificateProof(reason).String(), reason
		}
		delete(l.known, peer.String())
		l.add(request{entry: e, connection: peer.String(), handshakeFailed: true})
		l.failed = peer
	}
	return nil
}
