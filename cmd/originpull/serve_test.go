package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/originpull/originpull/pki"
)

// clientCertificate writes a certificate of an authority of its own, with that
// authority behind it.
func clientCertificate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: client-certificate CERT KEY NAME")
	}
	authority, err := pki.New(pki.Config{})
	ts.Check(err)
	issued, err := authority.Issue(pki.Request{Name: args[2], Usage: pki.ClientAuth, DNSNames: []string{args[2]}})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), append(issued.CertPEM, authority.Roots()...), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), issued.KeyPEM, 0o600))
}

// until tries again and again, for half a minute.
func until(ts *testscript.TestScript, done func() bool, what string) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%s did not come", what)
		}
	}
}

// listening waits for the address that a server says it has.
func listening(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: listening FILE NAME VARIABLE")
	}
	line := regexp.MustCompile(`(?m)^` + args[1] + ` (?:listens on|on http://) ?([^/\n]+)(?:/metrics)?$`)
	until(ts, func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		found := line.FindSubmatch(text)
		if err == nil && found != nil {
			ts.Setenv(args[2], string(found[1]))
		}
		return found != nil
	}, args[1]+"'s address")
}

// waitFor waits for a text in a file.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE TEXT")
	}
	until(ts, func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && strings.Contains(string(text), args[1])
	}, args[1])
}

// get asks for a URL: the status, a part of Cache-Status, a line of the body.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: get URL STATUS CACHE-STATUS [LINE]")
	}
	resp, err := http.Get(args[0])
	ts.Check(err)
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	if strconv.Itoa(resp.StatusCode) != args[1] || !strings.Contains(resp.Header.Get("Cache-Status"), args[2]) {
		ts.Fatalf("%s: %s %v", args[0], resp.Status, resp.Header)
	}
	if len(args) > 3 && !strings.Contains(string(text), args[3]) {
		ts.Fatalf("%s: no line %q", args[0], args[3])
	}
}

// terminate sends SIGTERM to this script's servers of a name.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: terminate NAME FLAG")
	}
	folder := ts.MkAbs(".")
	commands, err := filepath.Glob("/proc/[0-9]*/cwd")
	ts.Check(err)
	found := 0
	for _, link := range commands {
		where, err := os.Readlink(link)
		if err != nil || where != folder {
			continue // it ended, or is not ours
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if err != nil || !bytes.Contains(line, []byte("\x00serve\x00"+args[0]+"\x00"+args[1]+"\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		ts.Check(err)
		process, err := os.FindProcess(pid)
		ts.Check(err)
		ts.Check(process.Signal(syscall.SIGTERM))
		found++
	}
	if found != 1 {
		ts.Fatalf("%d servers %q", found, args[0])
	}
}
