package origin

func init() {
	registerMistake(Mistake{
		Name:     "quic-open-allowlist",
		Title:    "keeps the allowlist on the TCP port and leaves the UDP port open",
		Fix:      "filter the UDP port by the same addresses, or do not listen on it",
		Strategy: Allowlist,
		Drops:    overQUIC(Address),
		plant:    plantOverQUIC(func(g *guard) { g.admits = nil }),
	})
}
