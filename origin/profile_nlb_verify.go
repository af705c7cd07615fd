package origin

// That no header is made or removed follows from what it forwards, a stream; the
// reference has no word on it.
func init() {
	registerProfile(Profile{
		Name:      "nlb-verify",
		Title:     "a network load balancer that verifies against a trust store, without identity filters, and passes nothing on",
		Reference: "AWS, Authenticate clients using mutual TLS for Network Load Balancers; Client certificate identity filters: without any, every certificate that the trust store verifies is admitted",
	})
}
