package sim

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/originpull/originpull/origin"
)

// Floor is what the cryptography of one handshake takes at the least, at each
// end: the CPU, in microseconds, of the primitive operations that it cannot do
// without. Efficiency is a floor over what the handshake really took.
type Floor struct {
	Edge   float64 `json:"edge"`
	Origin float64 `json:"origin"`
}

// operation is a primitive. Hashing, the key schedule, AEAD, parsing and
// system calls are none: they are what efficiency has left to tell.
type operation string

const (
	opSign   operation = "sign"   // with the key type of the certificates
	opVerify operation = "verify" // likewise

	opShareX25519 operation = "share x25519" // makes a key share
	opShareP256   operation = "share p256"
	opShareMLKEM  operation = "share mlkem768"

	opAgreeX25519 operation = "derive x25519" // from the other's share
	opAgreeP256   operation = "derive p256"
	opEncapsulate operation = "encapsulate mlkem768"
	opDecapsulate operation = "decapsulate mlkem768"
)

// operations lists the primitives of one handshake of the arm, at both ends.
//
//   - Key exchange (RFC 8446, section 4.2.8; RFC 8422, section 5.4): each end
//     makes a share and derives a secret. In X25519MLKEM768 the edge also
//     makes an ML-KEM key and decapsulates, and the origin encapsulates
//     (draft-ietf-tls-ecdhe-mlkem). Before a HelloRetryRequest the edge has
//     made a share for nothing.
//   - Authentication of a full handshake (RFC 8446, section 4.4; RFC 5246,
//     section 7.4): the origin signs; the edge verifies that signature and the
//     one on every certificate sent. With mTLS the same the other way.
//   - A resumed handshake authenticates by its ticket. In TLS 1.3 it still
//     exchanges keys (psk_dhe_ke, the only mode of crypto/tls); in TLS 1.2 it
//     does nothing of all this and has no floor.
func operations(a *Arm) (edge, origin []operation) {
	tls := a.Settings.Edge.TLS
	if a.Plaintext || tls.Resumption && tls.Version == "1.2" {
		return nil, nil
	}
	switch tls.Group {
	case "p256":
		edge = []operation{opShareP256, opAgreeP256}
		origin = slices.Clone(edge)
	case "x25519mlkem768":
		edge = []operation{opShareX25519, opShareMLKEM, opAgreeX25519, opDecapsulate}
		origin = []operation{opShareX25519, opAgreeX25519, opEncapsulate}
	default:
		edge = []operation{opShareX25519, opAgreeX25519}
		origin = slices.Clone(edge)
	}
	if tls.HelloRetry {
		edge = append(edge, opShareX25519)
	}
	if tls.Resumption {
		return edge, origin
	}
	verifies := slices.Repeat([]operation{opVerify}, 1+a.Settings.Origin.Certificate.Chain)
	origin = append(origin, opSign)
	if tls.Verify {
		edge = append(edge, verifies...)
	} else {
		edge = append(edge, opVerify) // the origin's signature is checked, its certificates are not
	}
	if a.mutual() {
		edge = append(edge, opSign)
		origin = append(origin, verifies...)
	}
	return edge, origin
}

// mutual reports whether the edge shows a certificate.
func (a *Arm) mutual() bool { return a.Policy.Uses(origin.MTLS) }

// measureFloor measures the primitives of the arm's handshakes on this
// process's own CPU clock, with a key of the certificates' kind.
func measureFloor(ctx context.Context, a *Arm, key crypto.Signer) (Floor, error) {
	edge, origin := operations(a)
	costs := map[operation]float64{}
	for _, op := range slices.Concat(edge, origin) {
		if _, have := costs[op]; have {
			continue
		}
		cost, err := measureOperation(ctx, op, key)
		if err != nil {
			return Floor{}, fmt.Errorf("measuring %s: %w", op, err)
		}
		costs[op] = cost
	}
	sum := func(ops []operation) (total float64) {
		for _, op := range ops {
			total += costs[op]
		}
		return total
	}
	return Floor{Edge: sum(edge), Origin: sum(origin)}, nil
}

// An operation is measured in so many batches of at least so much CPU; the
// median batch counts.
const (
	floorBatches = 5
	floorBatch   = 400 * time.Microsecond
)

// measureOperation returns the CPU of one operation in microseconds.
func measureOperation(ctx context.Context, op operation, key crypto.Signer) (float64, error) {
	run, err := prepare(op, key)
	if err == nil {
		err = run() // tables are made the first time
	}
	if err != nil {
		return 0, err
	}
	var batches []float64
	for len(batches) < floorBatches {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		started, err := processCPU(os.Getpid())
		if err != nil {
			return 0, err
		}
		for n := 1; ; n++ {
			if err := run(); err != nil {
				return 0, err
			}
			now, err := processCPU(os.Getpid())
			if err != nil {
				return 0, err
			}
			if spent := now - started; spent >= floorBatch {
				batches = append(batches, float64(spent)/float64(n)/float64(time.Microsecond))
				break
			}
		}
	}
	return median(batches), nil
}

// prepare returns what one operation does.
func prepare(op operation, key crypto.Signer) (func() error, error) {
	switch op {
	case opSign:
		sign, _, err := signature(key)
		return func() error { _, err := sign(); return err }, err
	case opVerify:
		sign, verify, err := signature(key)
		if err != nil {
			return nil, err
		}
		signed, err := sign()
		return func() error { return verify(signed) }, err
	case opShareX25519:
		return share(ecdh.X25519()), nil
	case opShareP256:
		return share(ecdh.P256()), nil
	case opAgreeX25519:
		return agree(ecdh.X25519())
	case opAgreeP256:
		return agree(ecdh.P256())
	case opShareMLKEM:
		return func() error {
			key, err := mlkem.GenerateKey768()
			if err == nil {
				_ = key.EncapsulationKey().Bytes()
			}
			return err
		}, nil
	case opEncapsulate, opDecapsulate:
		return encapsulation(op)
	}
	return nil, fmt.Errorf("no operation is called %q", op)
}

func share(curve ecdh.Curve) func() error {
	return func() error {
		key, err := curve.GenerateKey(rand.Reader)
		if err == nil {
			_ = key.PublicKey().Bytes()
		}
		return err
	}
}

func agree(curve ecdh.Curve) (func() error, error) {
	ours, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	theirs, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	point := theirs.PublicKey().Bytes()
	return func() error {
		public, err := curve.NewPublicKey(point)
		if err != nil {
			return err
		}
		_, err = ours.ECDH(public)
		return err
	}, nil
}

func encapsulation(op operation) (func() error, error) {
	key, err := mlkem.GenerateKey768()
	if err != nil {
		return nil, err
	}
	public := key.EncapsulationKey().Bytes()
	_, sealed := key.EncapsulationKey().Encapsulate()
	if op == opDecapsulate {
		return func() error { _, err := key.Decapsulate(sealed); return err }, nil
	}
	return func() error {
		to, err := mlkem.NewEncapsulationKey768(public)
		if err != nil {
			return err
		}
		to.Encapsulate()
		return nil
	}, nil
}

// signature signs and verifies as TLS 1.3 does with such a key: RSA by PSS
// with SHA-256, ECDSA with the hash of its curve, Ed25519 the message itself.
func signature(key crypto.Signer) (sign func() ([]byte, error), verify func([]byte) error, err error) {
	message := make([]byte, 130) // of CertificateVerify: 64 spaces, a context, a hash
	var options crypto.SignerOpts = crypto.SHA256
	good := func([]byte) bool { return false }
	switch public := key.Public().(type) {
	case *ecdsa.PublicKey:
		message = message[:32]
		if public.Curve.Params().BitSize == 384 {
			message, options = make([]byte, 48), crypto.SHA384
		}
		good = func(signed []byte) bool { return ecdsa.VerifyASN1(public, message, signed) }
	case *rsa.PublicKey:
		message = message[:32]
		pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		options = pss
		good = func(signed []byte) bool {
			return rsa.VerifyPSS(public, crypto.SHA256, message, signed, pss) == nil
		}
	case ed25519.PublicKey:
		options = crypto.Hash(0)
		good = func(signed []byte) bool { return ed25519.Verify(public, message, signed) }
	default:
		return nil, nil, fmt.Errorf("a %T does not sign in TLS", public)
	}
	sign = func() ([]byte, error) { return key.Sign(rand.Reader, message, options) }
	verify = func(signed []byte) error {
		if !good(signed) {
			return errors.New("the signature does not fit")
		}
		return nil
	}
	return sign, verify, nil
}
