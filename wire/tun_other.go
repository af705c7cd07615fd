//go:build !linux

package wire

import "errors"

var errNoTun = errors.New("network namespaces are Linux's alone: use netstack")

func init() {
	k := tunKind
	k.open = func(Link) (carrier, error) { return nil, errNoTun }
	k.available = func() error { return errNoTun }
	registerKind(k)
}
