package sim

import (
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/scenarios"
)

// behaviour is the edge's, apart from pool and cache, in its own terms.
func behaviour(e *scenarios.Edge) edge.Behaviour {
	b := edge.Behaviour{
		ContinueWithoutClientCertificate: e.TLS.Unasked == "continue",
		AcceptAnyOriginCertificate:       !e.TLS.Verify,
		Retry:                            edge.Retry{Attempts: e.Retry.Attempts, Budget: time.Duration(e.Retry.Budget)},
		Status: edge.Statuses{
			edge.PhaseWait: e.Status.Wait, edge.PhaseRefused: e.Status.Refused, edge.PhaseTimeout: e.Status.Timeout,
			edge.PhaseVerify: e.Status.Verify, edge.PhaseAlert: e.Status.Alert, edge.PhaseResponse: e.Status.Response,
			edge.PhaseTruncated: e.Status.Truncated, edge.PhaseBarred: e.Status.Barred,
		},
	}
	for _, when := range e.Retry.On {
		b.Retry.On = append(b.Retry.On, edge.RetryWhen(when))
	}
	for _, kind := range e.Refuses {
		b.Refuses = append(b.Refuses, edge.RequestKind(kind))
	}
	return b
}

// edgeNames are the names in the client certificate, by edge.identity: a
// certificate that every tenant of a CDN shows cannot name one of them.
var edgeNames = map[string]string{
	"own":      "edge.originpull.test",
	"global":   "every-tenant.originpull.test",
	"zone":     "zone.originpull.test",
	"hostname": originHost + ".zone.originpull.test",
}

// edgeIdentity is what the pool tells the edge's connections apart by.
func edgeIdentity(e *scenarios.Edge) string {
	if e.Identity == "own" {
		return credEdge
	}
	return credEdge + "-" + e.Identity
}

// EdgeTerms are the pool and the behaviour that an edge's settings ask for, in
// the terms of those who carry them out.
func EdgeTerms(e *scenarios.Edge) (pool.Config, edge.Behaviour) { return poolConfig(e), behaviour(e) }
