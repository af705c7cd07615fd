package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// ErrEdited marks a document whose seal does not fit its content.
var ErrEdited = errors.New("the result was edited after it was written: its content does not fit its sum; run the scenario again, or take the file as it was written")

// sumField is the seal as it stands in a document, whatever the spaces.
var sumField = regexp.MustCompile(`"sum"\s*:\s*"sha256:[0-9a-f]{64}"`)

// Seal sets the sum of the document as Encode will write it. It is no
// signature: it tells an accident and a retouched number, not a forger.
func Seal(r *Result) error {
	r.Sum = emptySum
	text, err := encoded(r)
	if err != nil {
		return err
	}
	r.Sum, err = sumOf(text)
	return err
}

// emptySum stands where the sum will, while it is computed.
const emptySum = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// sumOf is the SHA-256 of a document without spaces between its tokens, in
// which its own sum counts as emptySum.
func sumOf(text []byte) (string, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return "", fmt.Errorf("sealing a result: %w", err)
	}
	at := sumField.FindIndex(compact.Bytes())
	if at == nil {
		return "", errors.New("sealing a result: it has no sum to set")
	}
	h := sha256.New()
	h.Write(compact.Bytes()[:at[0]])
	h.Write([]byte(emptySum))
	h.Write(compact.Bytes()[at[1]:])
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// checkSeal compares a document with its sum. Documents of older builds have
// none and pass.
func checkSeal(text []byte, sum string) error {
	if sum == "" {
		return nil
	}
	if got, err := sumOf(text); err != nil || got != sum {
		return ErrEdited
	}
	return nil
}
