package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// latePort leaves the choice of the source port to connect, which needs it to
// be free towards the target only. Chosen at bind, it must be free altogether:
// every connection in TIME_WAIT then blocks a port for a minute, and near
// 16,000 of them a bind takes a millisecond and a half of CPU (ip(7)).
func latePort(_, _ string, c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	if err != nil {
		return err
	}
	return set
}
