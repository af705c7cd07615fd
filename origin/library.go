package origin

import (
	"fmt"

	"github.com/originpull/originpull/pki"
)

// library is the TLS library that a server runs with, as Installed.TLS has it.
type library struct {
	openSSL, golang     bool // neither: another one, of which nothing is known
	major, minor, patch int
}

func libraryOf(text string) library {
	var l library
	if n, _ := fmt.Sscanf(text, "OpenSSL %d.%d.%d", &l.major, &l.minor, &l.patch); n == 3 {
		l.openSSL = true
	} else if n, _ := fmt.Sscanf(text, "crypto/tls of go%d.%d", &l.major, &l.minor); n == 2 {
		l.golang = true
	}
	return l
}

func (l library) since(major, minor, patch int) bool {
	have, want := [3]int{l.major, l.minor, l.patch}, [3]int{major, minor, patch}
	for i := range have {
		if have[i] != want[i] {
			return have[i] > want[i]
		}
	}
	return true
}

// hasEd25519: certificates with such keys, in TLS (RFC 8422, section 5.10).
func (l library) hasEd25519() bool {
	return l.openSSL && l.since(1, 1, 1) || l.golang && l.since(1, 13, 0)
}

// hasHybrid: the group X25519MLKEM768.
func (l library) hasHybrid() bool {
	return l.openSSL && l.since(3, 5, 0) || l.golang && l.since(1, 24, 0)
}

// refuseLibrary says what the library of a server does not do.
func refuseLibrary(found Installed, s Setup) error {
	if s.Key != pki.Ed25519 || libraryOf(found.TLS).hasEd25519() {
		return nil
	}
	return fmt.Errorf("%s is not known to take Ed25519 certificates (OpenSSL does since 1.1.1, Go since 1.13): use another certificate key", libraryText(found))
}

func libraryText(found Installed) string {
	if found.TLS == "" {
		return "its TLS library"
	}
	return found.TLS
}

// refuseGroup is for groups that the library does not have.
func refuseGroup(found Installed, s Setup) error {
	switch s.Config.Group {
	case "", "x25519", "p256":
		return nil
	case "x25519mlkem768":
		if l := libraryOf(found.TLS); !l.hasHybrid() {
			return fmt.Errorf("%s has no group x25519mlkem768 (OpenSSL has it since 3.5, Go since 1.24): use x25519 or p256", libraryText(found))
		} else if l.openSSL {
			return nil
		}
	}
	return fmt.Errorf("group %s is not written for %s: use x25519 or p256", s.Config.Group, libraryText(found))
}
