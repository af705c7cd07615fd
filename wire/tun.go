package wire

// tunKind is the kind without what only Linux has.
var tunKind = Kind{
	Name: "tun", Summary: "the kernel's TCP in two network namespaces, joined by a delay line (Linux, root)",
	Packets: true, AnySource: true, Servers: true, rank: 4,
	honours: []string{"rtt", "jitter", "loss", "rate", "queue", "mtu"},
}
