package origin

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// serversRun says whether real servers can be run on this system.
const serversRun = true

// nobody is the user that servers run as when we are root, as they do in life.
const nobody = 65534

// confine puts the server into a process group of its own, whose number is its
// pid, and has the kernel end it when the thread that started it ends. Root
// gives itself up.
func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
}

// giveAway makes the private folder the server's own where it is another user.
func giveAway(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
}

// gracefully are the signals that let a server finish what it is doing.
var gracefully = map[string]os.Signal{
	"hup": syscall.SIGHUP, "quit": syscall.SIGQUIT, "term": syscall.SIGTERM, "usr1": syscall.SIGUSR1, "winch": syscall.SIGWINCH,
}

// killGroup ends what is left of a group that we have started.
func killGroup(group int) error {
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill server processes of %d: %w", group, err)
	}
	return nil
}

// groupPids lists the living processes of a group, the eldest first.
func groupPids(group int) ([]int, error) {
	folders, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, file := range folders {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended since
		}
		// The name in parentheses may hold anything, parentheses too.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 3 || fields[2] != strconv.Itoa(group) || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		if pid == group {
			pids = append([]int{pid}, pids...)
		} else {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// listening says whether a socket listens at the IPv4 address. It asks by
// binding, which fails when one does; a socket that is bound and does not listen
// takes nothing from a server that sets SO_REUSEADDR, as all of them do.
func listening(at netip.AddrPort) bool {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return true // no telling
	}
	defer func() { _ = syscall.Close(fd) }() // nothing was sent
	if syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) != nil {
		return true
	}
	return errors.Is(syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}), syscall.EADDRINUSE)
}

// lock takes an open file for this process, until it is closed: by the kernel,
// where the process is killed. Children that are started do not have it.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// abandoned reports whether a folder is a server's whose process is gone. What
// is anybody else's is left alone.
func abandoned(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	is, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(is.Uid) != os.Geteuid() && (os.Geteuid() != 0 || is.Uid != nobody) {
		return false
	}
	owner, err := os.OpenFile(filepath.Join(dir, ownerFile), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer func() { _ = owner.Close() }() // nothing was written
	return lock(owner) == nil
}
