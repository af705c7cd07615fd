package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/originpull/originpull/pki"
)

// readPair reads a certificate with its key; both names empty is none.
func readPair(certFlag, cert, keyFlag, key string) (*tls.Certificate, error) {
	switch {
	case cert == "" && key == "":
		return nil, nil
	case key == "":
		return nil, fmt.Errorf("--%s needs --%s", certFlag, keyFlag)
	case cert == "":
		return nil, fmt.Errorf("--%s needs --%s", keyFlag, certFlag)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w", certFlag, cert, err)
	}
	return &pair, nil
}

// readRoots reads a bundle of authorities; "" is none. One damaged certificate
// is an error.
func readRoots(flag, name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	certs, err := pki.ParseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w", flag, name, err)
	}
	roots := x509.NewCertPool()
	for _, cert := range certs {
		roots.AddCert(cert)
	}
	return roots, nil
}

// readSecret reads a secret without the line end that editors leave.
func readSecret(flag, name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("--%s %s: it is empty", flag, name)
	}
	if strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r == ',' || r >= 0x7f }) {
		return "", fmt.Errorf("--%s %s: it holds a comma, a space or another character that a header value does not keep", flag, name)
	}
	return secret, nil
}

// readText reads a file as it is.
func readText(flag, name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	return string(text), nil
}

// problems gathers errors, so that all are told at once.
type problems []error

func (p *problems) add(err error) {
	if err != nil {
		*p = append(*p, err)
	}
}

func (p problems) err() error { return errors.Join(p...) }
