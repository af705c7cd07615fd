package origin

// The lookup is literal, so SECRET.example falls to the default like a name
// that nobody knows, and like no name at all.
func init() {
	registerMistake(Mistake{
		Name:     "lax-default",
		Title:    "asks for a certificate only when SNI is literally the protected host",
		Fix:      "give unknown and absent server names the strict configuration",
		Strategy: MTLS,
		Drops:    overTLS(certificateProofs | Authority),
		plant: func(g *guard) error {
			g.laxDefault = true
			return nil
		},
	})
}
