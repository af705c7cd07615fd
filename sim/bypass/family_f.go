package bypass

// What an attempt costs is a measurement of goodput and CPU, not a verdict on
// who gets in.
func init() {
	const later = "measured by bypass-cost, not built yet"
	for _, c := range []struct{ id, title, reference string }{
		{"F01", "a flood of full handshakes beside one of resumed ones", "RFC 8446 appendix C.2; THC-SSL-DOS (2011)"},
		{"F02", "connections that are opened and left", "GHSA-cwjm-3f7h-9hwq"},
		{"F03", "a client certificate sent byte by byte", "CWE-400; Slowloris (2009)"},
		{"F04", "a flood of invalid client certificates", "CVE-2018-16875, CVE-2025-58188"},
		{"F05", "a flood of key updates", "CVE-2026-32283, CVE-2026-56862"},
		{"F06", "HTTP/2 streams reset at once, and endless CONTINUATION", "CVE-2023-39325, CVE-2023-45288"},
		{"F07", "QPACK expansion", "CVE-2025-64702, CVE-2026-40898"},
		{"F08", "a PROXY header that stalls", "CVE-2021-23409"},
		{"F09", "cache-busting queries and ranges through the edge", "RangeAmp, DSN 2020; CDN Judo, NDSS 2020; Triukose et al., ESORICS 2009"},
		{"F10", "a forwarding loop between edges", "Chen et al., Forwarding-Loop Attacks in CDNs, NDSS 2016"},
		{"F11", "an oversized or slow body", "CWE-400"},
	} {
		a := unbuilt(Exhaustion, c.id, c.title, KnowsAddress, c.reference, later)
		a.Class = Disruptive
		register(a)
	}
}
