package main

import (
	"errors"
	"fmt"
	"strconv"
)

// k6Script is all that k6 takes; its options are settings of the script.
const k6Script = `import http from 'k6/http';
export const options = {
  vus: %d, duration: '%ds', insecureSkipTLSVerify: true, noConnectionReuse: %t, discardResponseBodies: false,
  tlsVersion: 'tls%s', tlsAuth: [{ cert: open('%s'), key: open('%s') }], throw: true,
};
export default function () { http.get('%s'); }
`

func (l *lab) seconds() string { return strconv.Itoa(l.options.seconds) }

// versionName is "TLS1.3" and the like, in the spelling of prefix.
func versionName(prefix, dot, version string) string {
	return prefix + version[:1] + dot + version[2:]
}

var errNoCertificate = missing{"it cannot present a client certificate"}

var (
	wrk = &contender{name: "wrk", tool: "wrk", version: []string{"-v"}, shim: true, args: func(l *lab, w load) ([]string, error) {
		args := []string{"-t1", "-c" + strconv.Itoa(concurrency), "-d" + l.seconds() + "s"}
		if !w.reuse {
			args = append(args, "-H", "Connection: close")
		}
		return append(args, l.url(w)), nil
	}}
	h2load = &contender{name: "h2load --h1", tool: "h2load", version: []string{"--version"}, shim: true, args: func(l *lab, w load) ([]string, error) {
		if !w.reuse {
			return nil, missing{"it keeps its connections"}
		}
		return []string{"--h1", "-t1", "-c" + strconv.Itoa(concurrency), "-D" + l.seconds(), l.url(w)}, nil
	}}
	ab = &contender{name: "ab", tool: "ab", version: []string{"-V"}, args: func(l *lab, w load) ([]string, error) {
		args := []string{"-q", "-c" + strconv.Itoa(concurrency), "-t" + l.seconds(), "-n1000000"}
		if w.reuse {
			args = append(args, "-k")
		}
		if w.mtls {
			args = append(args, "-E", l.file("client-both.pem"))
		}
		return append(args, l.url(w)), nil
	}}
	fortio = &contender{name: "fortio, fast client", tool: "fortio", version: []string{"version"}, args: func(l *lab, w load) ([]string, error) {
		if !w.reuse {
			return nil, missing{"its fast client ends with an error on TLS 1.2, and reports reconnects as errors"}
		}
		args := []string{"load", "-quiet", "-loglevel", "error", "-k", "-qps", "0", "-c", strconv.Itoa(concurrency), "-t", l.seconds() + "s"}
		if w.mtls {
			args = append(args, "-cert", l.file("client.pem"), "-key", l.file("client.key"))
		}
		return append(args, l.url(w)), nil
	}}
	vegeta = &contender{name: "vegeta", tool: "vegeta", version: []string{"-version"}, args: func(l *lab, w load) ([]string, error) {
		if err := l.write("targets", "GET "+l.url(w)+"\n"); err != nil {
			return nil, err
		}
		c := strconv.Itoa(concurrency)
		args := []string{
			"attack", "-targets", l.file("targets"), "-rate=0", "-workers=" + c, "-max-workers=" + c, "-connections=" + c,
			"-duration=" + l.seconds() + "s", "-insecure", "-http2=false", "-output=/dev/null", fmt.Sprintf("-keepalive=%t", w.reuse),
		}
		if w.mtls {
			args = append(args, "-cert", l.file("client.pem"), "-key", l.file("client.key"))
		}
		return args, nil
	}}
	hey = &contender{name: "hey", tool: "hey", args: func(l *lab, w load) ([]string, error) {
		if w.mtls {
			return nil, errNoCertificate
		}
		args := []string{"-c", strconv.Itoa(concurrency), "-z", l.seconds() + "s"}
		if !w.reuse {
			args = append(args, "-disable-keepalive")
		}
		return append(args, l.url(w)), nil
	}}
	k6 = &contender{name: "k6", tool: "k6", version: []string{"version"}, args: func(l *lab, w load) ([]string, error) {
		script := fmt.Sprintf(k6Script, concurrency, l.options.seconds, !w.reuse, w.tls, l.file("client.pem"), l.file("client.key"), l.url(w))
		if err := l.write("script.js", script); err != nil {
			return nil, err
		}
		return []string{"run", "--quiet", "--no-usage-report", "--no-summary", l.file("script.js")}, nil
	}}
	sTime = &contender{name: "openssl s_time", tool: "openssl", version: []string{"version"}, accepts: true, tolerant: true, args: func(l *lab, w load) ([]string, error) {
		if !w.mtls {
			return nil, errors.New("s_time is only asked for client certificates")
		}
		return []string{
			"s_time", "-new", "-time", l.seconds(), "-connect", fmt.Sprintf("127.0.0.1:%d", l.ports[w.port()]),
			"-cert", l.file("client.pem"), "-key", l.file("client.key"), versionName("-tls", "_", w.tls),
		}, nil
	}}
)

var contenders = []*contender{own, ownP256, ownCredulous, wrk, ab, h2load, fortio, vegeta, hey, k6, sTime}
