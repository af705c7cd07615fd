package bypass

// EdgeFault is what an edge does wrong in a control of family E.
type EdgeFault struct {
	Name, Title, Fix string // one line each
}

// edgeFixes say how an edge is put right, by the name of its fault.
var edgeFixes = map[string]EdgeFault{
	acceptAny: {
		Title: "pulls from whoever answers, whatever certificate they show",
		Fix:   "verify the origin's chain, name and dates against the authority that issues them",
	},
	continueUnasked: {
		Title: "goes on when the origin has not asked for its certificate",
		Fix:   "end the connection of an origin that does not ask, or watch for it",
	},
	"forward-loops": {
		Title: "forwards a request that it has forwarded before",
		Fix:   "name the edge in CDN-Loop, and refuse what names it already (RFC 8586)",
	},
	"speak-plaintext": {
		Title: "speaks HTTP to the origin",
		Fix:   "pull over TLS alone, and never fall back",
	},
}

// EdgeFaultNamed finds a fault of the edge.
func EdgeFaultNamed(name string) (EdgeFault, bool) {
	fault, known := edgeFixes[name]
	fault.Name = name
	return fault, known
}
