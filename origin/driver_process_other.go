//go:build !linux

package origin

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
)

const serversRun = false

var errNoServers = errors.New("real servers are run on Linux only: use the built-in origin here")

func confine(*exec.Cmd) {}

func giveAway(string) error { return errNoServers }

var gracefully = map[string]os.Signal{"hup": os.Interrupt, "quit": os.Interrupt, "term": os.Interrupt, "usr1": os.Interrupt, "winch": os.Interrupt}

func killGroup(int) error { return errNoServers }

func groupPids(int) ([]int, error) { return nil, errNoServers }

func listening(netip.AddrPort) bool { return true }

func lock(*os.File) error { return errNoServers }

func abandoned(string) bool { return false }
