package wire

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernelPeek asks the kernel, without waiting, whether a socket has something
// to read: bytes, an end or an error.
//
// Note: poll(2), not recvfrom(2) with MSG_PEEK, because the wrappers of the
// latter allocate an address on every call.
type kernelPeek struct {
	raw  syscall.RawConn
	look func(fd uintptr) bool
	poll [1]unix.PollFd
	n    int
	err  error
}

func (k *kernelPeek) quiet(stream net.Conn) bool {
	if k.raw == nil && !k.open(stream) {
		return true // not a socket: nothing to look at
	}
	if err := k.raw.Read(k.look); err != nil {
		return false // closed by us, or its deadline has passed
	}
	return k.n == 0 && k.err == nil
}

func (k *kernelPeek) open(stream net.Conn) bool {
	socket, ok := stream.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	k.raw = raw
	k.look = func(fd uintptr) bool {
		k.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}
		for k.n, k.err = unix.Poll(k.poll[:], 0); errors.Is(k.err, unix.EINTR); {
			k.n, k.err = unix.Poll(k.poll[:], 0)
		}
		return true
	}
	return true
}
