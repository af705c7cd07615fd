package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"

	"github.com/originpull/originpull/edge/pool"
)

// Phase is where a pull failed, as finely as vendors tell it apart.
type Phase string

// The phases, in the order of a pull.
const (
	PhaseBarred    Phase = "barred"    // the edge did not want to make it
	PhaseWait      Phase = "wait"      // no connection became free
	PhaseRefused   Phase = "refused"   // TCP connect, answered with a refusal
	PhaseTimeout   Phase = "timeout"   // TCP connect, not answered in time
	PhaseVerify    Phase = "verify"    // the edge refused the origin's certificate
	PhaseAlert     Phase = "alert"     // TLS failed otherwise: the origin refused the edge's, for one
	PhaseResponse  Phase = "response"  // no response in time
	PhaseTruncated Phase = "truncated" // the connection ended before the response did, or brought something else
)

// Phases returns every phase, in the order of a pull.
func Phases() []Phase {
	return []Phase{PhaseBarred, PhaseWait, PhaseRefused, PhaseTimeout, PhaseVerify, PhaseAlert, PhaseResponse, PhaseTruncated}
}

// Statuses is what a viewer is told, by phase; none or 0 where nobody
// documents it.
type Statuses map[Phase]int

// For returns the status for a failed exchange, 0 where none is known.
func (s Statuses) For(stage pool.Stage, err error) int { return s[PhaseOf(stage, err)] }

// PhaseOf tells the phase of a failed exchange: TLS 1.3's refusal of a client
// certificate, which arrives in place of the response, is one of TLS.
func PhaseOf(stage pool.Stage, err error) Phase {
	late := isLate(err)
	switch stage {
	case pool.StageWait:
		return PhaseWait
	case pool.StageTCP:
		if late {
			return PhaseTimeout
		}
		return PhaseRefused
	case pool.StageTLS:
		if isUntrusted(err) {
			return PhaseVerify
		}
		return PhaseAlert
	case pool.StageHTTP:
		if late {
			return PhaseResponse
		}
		return PhaseTruncated
	default:
		return ""
	}
}

func isLate(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

func isUntrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.HostnameError](err)
	return ok
}

// Failure is the error of a pull that the origin did not answer; errors.As
// finds it in what [Edge.Pull] returns.
type Failure struct {
	Phase Phase
	Err   error
}

// Error is that of the exchange.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error of the exchange.
func (f *Failure) Unwrap() error { return f.Err }
