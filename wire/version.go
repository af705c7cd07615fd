package wire

import (
	"crypto/tls"
	"fmt"
	"slices"
)

// version is one protocol version of TLS, as an entry of the registry. Each
// has a file of its own.
type version struct {
	name string
	id   uint16 // as in tls.Config.MinVersion
	// Theory: the turns of a client's handshake, without HelloRetryRequest.
	full, resumed int
	// offers lists the groups that a client pinned to a group offers; nil
	// means that the version does not know the group.
	offers func(group tls.CurveID) []tls.CurveID
}

var versions []version

func registerVersion(v version) {
	if _, known := versionNamed(v.name); known {
		panic("wire: TLS version " + v.name + " is registered twice")
	}
	versions = append(versions, v)
	slices.SortFunc(versions, func(a, b version) int { return int(a.id) - int(b.id) })
}

func versionNamed(name string) (version, bool) {
	for _, v := range versions {
		if v.name == name {
			return v, true
		}
	}
	return version{}, false
}

// versionName names a negotiated version as a Profile does.
func versionName(id uint16) string {
	for _, v := range versions {
		if v.id == id {
			return v.name
		}
	}
	return fmt.Sprintf("0x%04x", id)
}

// Versions names the TLS versions that a Profile may pin, oldest first.
func Versions() []string {
	names := make([]string, len(versions))
	for i, v := range versions {
		names[i] = v.name
	}
	return names
}

// Turns says how many turns a client's handshake takes in theory: TCP and
// HelloRetryRequest excluded. It is false for a version that is not
// registered.
func Turns(version string, resumed bool) (int, bool) {
	v, known := versionNamed(version)
	if !known {
		return 0, false
	}
	if resumed {
		return v.resumed, true
	}
	return v.full, true
}
