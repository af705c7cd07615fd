package consent

import "net/netip"

// published are ranges that CDNs publish as their edges' (IPv4: Cloudflare's
// and Fastly's whole lists, the large ones of CloudFront's; IPv6: Cloudflare's
// and Fastly's), as of 2026-11. There an "origin" is somebody's edge, which
// serves others too.
// https://www.cloudflare.com/ips/, https://api.fastly.com/public-ip-list,
// https://d7uri8nf7uskq.cloudfront.net/tools/list-cloudfront-ips
var published = map[string][]netip.Prefix{
	"Cloudflare": prefixes("173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18",
		"108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15",
		"104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22",
		"2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32", "2a06:98c0::/29", "2c0f:f248::/32"),
	"Fastly": prefixes("23.235.32.0/20", "43.249.72.0/22", "103.244.50.0/24", "103.245.222.0/23", "103.245.224.0/24",
		"104.156.80.0/20", "140.248.64.0/18", "140.248.128.0/17", "146.75.0.0/17", "151.101.0.0/16", "157.52.64.0/18",
		"167.82.0.0/17", "172.111.64.0/18", "185.31.16.0/22", "199.27.72.0/21", "199.232.0.0/16",
		"2a04:4e40::/32", "2a04:4e42::/32"),
	"CloudFront": prefixes("13.32.0.0/15", "13.35.0.0/16", "13.224.0.0/14", "13.249.0.0/16", "18.64.0.0/14", "18.154.0.0/15",
		"18.160.0.0/15", "18.164.0.0/15", "18.172.0.0/15", "52.84.0.0/15", "52.222.128.0/17", "54.182.0.0/16", "54.192.0.0/16",
		"54.230.0.0/16", "54.239.128.0/18", "54.240.128.0/18", "64.252.128.0/18", "65.8.0.0/16", "65.9.0.0/17", "70.132.0.0/18",
		"71.152.0.0/17", "99.84.0.0/16", "99.86.0.0/16", "108.138.0.0/15", "108.156.0.0/14", "130.176.0.0/16", "143.204.0.0/16",
		"204.246.164.0/22", "204.246.168.0/22", "205.251.200.0/21", "205.251.208.0/20", "205.251.249.0/24", "216.137.32.0/19"),
}

// metadata are the addresses of clouds' metadata services that are not
// link-local.
var metadata = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16")}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// barred says why no consent opens an address, or "".
func barred(a netip.Addr) string {
	for _, other := range metadata {
		if a == other {
			return "is that of a cloud's metadata service"
		}
	}
	switch {
	case a.IsLinkLocalUnicast():
		return "is link-local, where clouds have their metadata service"
	case a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is no address of one machine"
	}
	for cdn, ranges := range published {
		for _, r := range ranges {
			if r.Contains(a) {
				return "is in a range that " + cdn + " publishes as its own: name the address of the origin behind it (origin.address)"
			}
		}
	}
	return ""
}
