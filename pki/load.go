package pki

import (
	"crypto"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// load reads the authority that f holds and checks that it is whole: modes,
// keys that fit their certificates, and each certificate signed by the one
// above.
func load(f *folder, want Config) (*Authority, error) {
	cfg, err := f.describe(want)
	if err != nil {
		return nil, err
	}
	chain := make([]signer, 0, 1+cfg.Intermediates)
	for i := range 1 + cfg.Intermediates {
		s, err := f.signer(i)
		if err != nil {
			return nil, err
		}
		above := s.cert // a root signs itself
		if i > 0 {
			above = chain[i-1].cert
		}
		if err := s.cert.CheckSignatureFrom(above); err != nil {
			return nil, fmt.Errorf("%s: not signed by the authority above it: %w", signerFile(f.path, i, ".pem"), err)
		}
		chain = append(chain, s)
	}
	a := newAuthority(cfg, chain)
	a.dir = f
	if err := f.loadRevoked(a.revoked); err != nil {
		return nil, err
	}
	return a, nil
}

// describe returns the stored configuration, if want does not contradict it.
func (f *folder) describe(want Config) (Config, error) {
	name := filepath.Join(f.path, describedIn)
	text, err := os.ReadFile(name)
	if err != nil {
		return Config{}, err
	}
	var stored description
	if err := json.Unmarshal(text, &stored); err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case stored.Version != 1:
		return Config{}, fmt.Errorf("%s: version %d is not known here: use a newer originpull", name, stored.Version)
	case want.Name != "" && want.Name != stored.Name:
		return Config{}, fmt.Errorf("it holds the authority %q, not %q", stored.Name, want.Name)
	case want.Key != "" && want.Key != stored.Key:
		return Config{}, fmt.Errorf("it holds an authority with %s keys, not %s", stored.Key, want.Key)
	case want.Intermediates != 0 && want.Intermediates != stored.Intermediates:
		return Config{}, fmt.Errorf("it holds an authority with %d intermediates, not %d", stored.Intermediates, want.Intermediates)
	case want.ChainBytes != 0 && want.ChainBytes != stored.ChainBytes:
		return Config{}, fmt.Errorf("it holds an authority whose chains are padded to %d bytes, not %d", stored.ChainBytes, want.ChainBytes)
	}
	cfg, err := Config{
		Name: stored.Name, Key: stored.Key, Intermediates: stored.Intermediates, ChainBytes: stored.ChainBytes, Now: want.Now,
	}.withDefaults()
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return cfg, nil
}

func (f *folder) signer(index int) (signer, error) {
	keyFile, certFile := signerFile(f.path, index, ".key"), signerFile(f.path, index, ".pem")
	if err := checkMode(keyFile, 0o600); err != nil {
		return signer{}, err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile) // also checks that they fit
	if err != nil {
		return signer{}, fmt.Errorf("%s: %w", certFile, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return signer{}, fmt.Errorf("%s: a %T cannot sign", keyFile, pair.PrivateKey)
	}
	if !pair.Leaf.IsCA {
		return signer{}, fmt.Errorf("%s: it is no authority's certificate", certFile)
	}
	return signer{cert: pair.Leaf, key: key}, nil
}

// checkMode refuses a file or folder that others than its owner can use.
// Windows reports made-up modes, so nothing is checked there.
func checkMode(name string, most os.FileMode) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	found, err := os.Stat(name)
	if err != nil {
		return err
	}
	if mode := found.Mode().Perm(); mode&^most != 0 {
		return fmt.Errorf("%s has mode %04o, which lets others use the keys: run chmod %04o on it", name, mode, most)
	}
	return nil
}
