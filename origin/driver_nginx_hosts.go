package origin

import "strings"

// nginxVariable is a header's name as nginx has it in $http_.
func nginxVariable(header string) string {
	return strings.ReplaceAll(strings.ToLower(header), "-", "_")
}

// nginxOneBlock: the mistake is to have both hosts in one block, whose
// certificate rule goes by the server name.
func nginxOneBlock(p Policy) bool {
	return p.Mistake == "lax-default" || p.Mistake == "no-authority-check"
}

// nginxPublic is the block of the public hosts. The protected block is the
// default one, so that a name that nobody knows gets the strict rules.
func nginxPublic(c *config, r *rendering) {
	p := r.Config.Policy
	if len(p.PublicHosts) == 0 || nginxOneBlock(p) {
		return
	}
	c.add("server {\nlisten %s ssl;\nserver_name %s;", r.tls, strings.Join(p.PublicHosts, " "))
	c.addIf(r.v6.IsValid(), "listen %s ssl;", r.v6)
	nginxServerTLS(c, r)
	c.add("set $denied \"\";\nif ($ssl_server_name != $host) { set $denied authority; return 421; }")
	nginxAllow(c, p)
	nginxContent(c, r, PublicContent)
	c.add("}")
}

// nginxPlain is the port without TLS: open to everyone as the baseline of a
// cost run, or guarded by the same policy, as far as a mistake does not forget
// it. Nobody can show a certificate there.
func nginxPlain(c *config, r *rendering) {
	if !r.plain.IsValid() {
		return
	}
	p := r.Config.Policy
	c.add("server {\nlisten %s backlog=4096;\nserver_name _;\nset $denied \"\";", r.plain)
	if r.Sides {
		if p.Uses(Header) && p.Mistake != "plain-no-secret" {
			nginxSecret(c, r)
			c.add("if ($secret = wrong) { set $denied secret; return 403; }")
		}
		c.addIf(p.Uses(MTLS) && p.Mistake != "plain-no-certificate", "set $denied chain;\nreturn 403;")
		if p.Mistake != "plain-open-allowlist" {
			nginxAllow(c, p)
		}
	}
	nginxContent(c, r, ProtectedContent)
	c.add("}")
}
