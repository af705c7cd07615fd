//go:build !linux

package wire

import "syscall"

// latePort is Linux's alone.
func latePort(string, string, syscall.RawConn) error { return nil }
