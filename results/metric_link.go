package results

// Names of the metrics that only arms on a link with a distance have.
const (
	MetricLinkNominal  = "link.rtt.nominal"
	MetricLinkRealised = "link.rtt.realised"
	MetricLinkLateP50  = "link.late.p50"
	MetricLinkLateP99  = "link.late.p99"
	MetricLinkDrops    = "link.drops"
)

// LabelLink is the key of Arm.Labels that says what link there is between edge
// and origin; absent: the kernel's loopback.
const LabelLink = "link"

// LabelCongestion is the key of Arm.Labels that names TCP's congestion control
// over a link, of both ends where they differ.
const LabelCongestion = "congestion"

func init() {
	register(
		Metric{Name: MetricLinkNominal, Unit: "ms", Kind: Exact, Better: Neither, Title: "round-trip time that the link was asked for"},
		Metric{Name: MetricLinkRealised, Unit: "ms", Kind: Time, Better: Neither, Title: "round-trip time of the link, measured before the run"},
		Metric{Name: MetricLinkLateP50, Unit: "ms", Kind: Time, Better: Lower, Title: "how late the link delivered a packet, median"},
		Metric{Name: MetricLinkLateP99, Unit: "ms", Kind: Time, Better: Lower, Title: "how late the link delivered a packet, 99th percentile"},
		Metric{Name: MetricLinkDrops, Unit: "count", Kind: Count, Better: Lower, Title: "packets that the link lost or had no room for"},
	)
}
