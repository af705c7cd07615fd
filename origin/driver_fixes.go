package origin

// fixes say how a mistake is put right in a server's own words, by server and
// mistake.
var fixes = map[string]map[string]string{
	"nginx": {
		"open-allowlist":              "end the allow lines with: deny all;",
		"answer-before-allowlist":     "replace return by try_files or proxy_pass: return runs before allow and deny",
		"trust-forwarded":             "set_real_ip_from only for your own load balancer, never 0.0.0.0/0",
		"optional-certificate":        "ssl_verify_client on; not optional",
		"never-asks":                  "ssl_verify_client on; beside ssl_client_certificate",
		"no-revocation":               "ssl_crl with the lists of every authority of the chain",
		"no-pin":                      "compare $ssl_client_s_dn, and return 403 when it is not the edge's",
		"alias-header":                "underscores_in_headers off;",
		"optional-secret":             "compare for equality with the secret, so that an absent header is refused",
		"exempt-path-secret":          "location = /healthz, not a regular expression without ^ and $",
		"exempt-path-certificate":     "location = /healthz, not a regular expression without ^ and $",
		"trust-forwarded-certificate": "decide by $ssl_client_verify, never by $http_x_ssl_client_verify",
		"system-roots":                "ssl_client_certificate with the private authority's root alone",
		"plain-open-allowlist":        "repeat allow and deny in the server block of port 80, or return 301 there",
		"plain-no-secret":             "compare the header in the server block of port 80 too, or return 301 there",
		"plain-no-certificate":        "no content in the server block of port 80: return 301",
		"v4-only-allowlist":           "no allow ::/0; deny all; refuses IPv6 too",
		"lax-default":                 "make the protected block default_server, with ssl_verify_client on; do not choose the rule by $ssl_server_name",
		"no-authority-check":          "a server block of its own for each host, and: if ($ssl_server_name != $host) { return 421; }",
		"own-name-only":               "compare in the server block of every name; default_server with: return 421;",
		"echo-header":                 "no $http_ variable in return or error_page",
		"guard-behind-router":         "compare the secret in the server block, not in a location",
		"handshake-only-revocation":   "nginx -s reload after each new revocation list: it also ends idle connections",
	},
	"haproxy": {
		"open-allowlist":       "tcp-request connection reject if !{ src ... }",
		"trust-forwarded":      "decide with src before any http-request set-src",
		"optional-certificate": "verify required, not verify optional",
		"never-asks":           "verify required, not verify none",
		"no-revocation":        "crl-file with the lists of every authority of the chain",
		"no-pin":               "http-request deny unless { ssl_c_s_dn ... } or the SHA-256 of ssl_c_der",
		"exempt-path-secret":   "{ path /healthz }, not path_sub",
		"system-roots":         "ca-file with the private authority's root alone, not @system-ca",
	},
	"apache": {
		"open-allowlist":       "Require ip in a RequireAll, not beside Require all granted",
		"optional-certificate": "SSLVerifyClient require, not optional",
		"never-asks":           "SSLVerifyClient require, not none",
		"no-revocation":        "SSLCARevocationFile with SSLCARevocationCheck chain",
		"no-pin":               "Require expr on PeerExtList('2.5.29.17') or SSL_CLIENT_S_DN",
		"exempt-path-secret":   "anchor the expression: =~ m#^/healthz$#",
		"system-roots":         "SSLCACertificateFile with the private authority's root alone",
	},
	"caddy": {
		"open-allowlist":       "not remote_ip, with an error for all others",
		"trust-forwarded":      "remote_ip without forwarded",
		"optional-certificate": "client_authentication mode require_and_verify, not verify_if_given",
		"any-certificate":      "client_authentication mode require_and_verify, not require",
		"never-asks":           "client_authentication with mode require_and_verify",
		"no-pin":               "match vars on {http.request.tls.client.san.dns_names.0}",
		"system-roots":         "trusted_ca_certs with the private authority's root alone",
	},
}

// Fix says how the mistake is put right in the server's own words, or, where
// there is nothing particular to it, as Mistake.Fix does. "" for a mistake that
// the driver does not write.
func (d Driver) Fix(m Mistake) string {
	if !d.Writes(m.Name) {
		return ""
	}
	if fix := fixes[d.Name][m.Name]; fix != "" {
		return fix
	}
	return m.Fix
}
