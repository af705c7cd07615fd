package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/originpull/originpull/pki"
)

func TestFailureLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := &failureLog{out: &out}
		for range 4 {
			l.tell(errors.New("nobody there"))
			time.Sleep(400 * time.Millisecond)
		}
		const want = "originpull: edge: a pull failed: nobody there\noriginpull: edge: a pull failed (and 2 more before): nobody there\n"
		if out.String() != want {
			t.Errorf("told %q, want %q", out.String(), want)
		}
	})
}

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
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	cacert, cert, key := flags.String("cacert", "", ""), flags.String("cert", "", ""), flags.String("key", "", "")
	ts.Check(flags.Parse(args))
	if args = flags.Args(); len(args) < 3 {
		ts.Fatalf("usage: get [--cacert FILE] [--cert FILE --key FILE] URL STATUS CACHE-STATUS [LINE]")
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	if *cacert != "" {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(ts.ReadFile(*cacert)))
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(ts.MkAbs(*cert), ts.MkAbs(*key))
		ts.Check(err)
		transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	resp, err := (&http.Client{Transport: transport}).Get(args[0])
	if neg {
		if err == nil {
			_ = resp.Body.Close()
			ts.Fatalf("%s: %s", args[0], resp.Status)
		}
		return
	}
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

// terminate sends SIGTERM to this script's server that was started so, hangup
// SIGHUP.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	send(ts, neg, syscall.SIGTERM, args)
}

func hangup(ts *testscript.TestScript, neg bool, args []string) { send(ts, neg, syscall.SIGHUP, args) }

func send(ts *testscript.TestScript, neg bool, signal os.Signal, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: terminate|hangup FIRST-ARGUMENTS-OF-SERVE…")
	}
	folder := ts.MkAbs(".")
	begin := []byte("\x00serve\x00" + strings.Join(args, "\x00") + "\x00")
	commands, err := filepath.Glob("/proc/[0-9]*/cwd")
	ts.Check(err)
	found := 0
	for _, link := range commands {
		where, err := os.Readlink(link)
		if err != nil || where != folder {
			continue // it ended, or is not ours
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if err != nil || !bytes.Contains(line, begin) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		ts.Check(err)
		process, err := os.FindProcess(pid)
		ts.Check(err)
		ts.Check(process.Signal(signal))
		found++
	}
	if found != 1 {
		ts.Fatalf("%d servers were started with %q", found, args)
	}
}
