//go:build !linux

package sim

import "errors"

const hopNice = 0

func hasten() error { return errors.New("a higher priority can be asked for on Linux only") }
