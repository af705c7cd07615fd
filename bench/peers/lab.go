package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/originpull/originpull/pki"
)

// The two ends' names, as a run of originpull has them.
const (
	originHost = "origin.test"
	edgeName   = "edge.originpull.test"
)

// generatorCore runs the contenders; nginx has the last core of the machine.
const generatorCore = 0

//go:embed shim/certificate.c
var shimSource []byte

// lab is what all tables share.
type lab struct {
	options options
	folder  string
	nginx   *exec.Cmd
	ports   map[string]int // by load.port
	control int
	client  pki.KeyPair
	roots   string
	shim    string // "" without a C compiler
}

// load is what the contenders of a table are asked to do.
type load struct {
	tls   string // version
	mtls  bool
	reuse bool // keep connections; else one per request
}

func (l load) port() string { return fmt.Sprintf("%s,%t", l.tls, l.mtls) }

var ports = []load{{tls: "1.3", mtls: true}, {tls: "1.3"}, {tls: "1.2", mtls: true}}

func newLab(ctx context.Context, o options) (*lab, error) {
	for _, tool := range []string{"nginx", "taskset"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is needed and not in PATH: %w", tool, err)
		}
	}
	folder, err := os.MkdirTemp("", "peers")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	l := &lab{options: o, folder: folder, ports: map[string]int{}}
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lab) prepare(ctx context.Context) error {
	if err := l.issue(); err != nil {
		return fmt.Errorf("issuing certificates: %w", err)
	}
	if err := l.compileShim(ctx); err != nil {
		return err
	}
	free, err := freePorts(len(ports) + 1)
	if err != nil {
		return err
	}
	for i, p := range ports {
		l.ports[p.port()] = free[i]
	}
	l.control = free[len(ports)]
	return l.startNginx(ctx)
}

func (l *lab) file(name string) string { return filepath.Join(l.folder, name) }

func (l *lab) write(name, content string) error {
	return os.WriteFile(l.file(name), []byte(content), 0o600)
}

func (l *lab) issue() error {
	authority, err := pki.New(pki.Config{})
	if err != nil {
		return err
	}
	server, err := authority.Issue(pki.Request{Name: originHost, Usage: pki.ServerAuth, DNSNames: []string{originHost}})
	if err != nil {
		return err
	}
	client, err := authority.Issue(pki.Request{Name: edgeName, Usage: pki.ClientAuth, DNSNames: []string{edgeName}})
	if err != nil {
		return err
	}
	l.client, l.roots = client.KeyPair(), string(authority.Roots())
	if err := os.Mkdir(l.file("www"), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(l.folder, 0o755); err != nil { // nginx's worker is nobody where we are root
		return err
	}
	return errors.Join(
		l.write("server.pem", string(server.CertPEM)), l.write("server.key", string(server.KeyPEM)),
		l.write("client.pem", l.client.Certificate), l.write("client.key", l.client.Key),
		l.write("client-both.pem", l.client.Certificate+l.client.Key),
		l.write("roots.pem", l.roots),
		os.WriteFile(l.file("www/object"), []byte(strings.Repeat("x", 1<<10)), 0o644),
	)
}

func (l *lab) compileShim(ctx context.Context) error {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		return nil // the contenders that need it say so
	}
	if err := os.WriteFile(l.file("certificate.c"), shimSource, 0o600); err != nil {
		return fmt.Errorf("writing the shim: %w", err)
	}
	said, err := exec.CommandContext(ctx, compiler, "-shared", "-fPIC", "-O2", "-o", l.file("certificate.so"), l.file("certificate.c"), "-ldl").CombinedOutput()
	if err != nil {
		return fmt.Errorf("compiling the shim: %w: %s", err, said)
	}
	l.shim = l.file("certificate.so")
	return nil
}

// badLog is where nginx writes every answer that a row does not ask for.
const badLog = "bad.log"

const nginxMain = `daemon off; worker_processes 1; pid nginx.pid; error_log error.log crit;
worker_cpu_affinity %s; worker_rlimit_nofile 4096;
events { worker_connections 2048; }
http {
client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
default_type application/octet-stream; sendfile on; keepalive_requests 1000000000;
map "$server_port $ssl_client_verify $ssl_session_reused $status" $bad { default 1; %s"%d NONE . 204" 0; }
log_format bad "$server_port $ssl_client_verify '$ssl_session_reused' $status $request";
access_log bad.log bad if=$bad;
root www; ssl_certificate server.pem; ssl_certificate_key server.key;
ssl_session_tickets off; ssl_session_cache off; ssl_ecdh_curve X25519:prime256v1;
ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
server { listen 127.0.0.1:%d; access_log off; location / { stub_status; } }
`

const nginxServer = `server { listen 127.0.0.1:%d ssl backlog=4096; ssl_protocols TLSv%s; %s
location /o/ { add_header Cache-Control "max-age=60"; try_files /object =404; } }
`

// nginxConfig is pure text, so that it can be looked at.
func (l *lab) nginxConfig() string {
	var good, servers strings.Builder
	for _, p := range ports {
		verified, clause := "NONE", ""
		if p.mtls {
			verified, clause = "SUCCESS", "ssl_verify_client on; ssl_client_certificate roots.pem;"
		}
		port := l.ports[p.port()]
		fmt.Fprintf(&good, "\"%d %s . 200\" 0; ", port, verified)
		fmt.Fprintf(&servers, nginxServer, port, p.tls, clause)
	}
	affinity := "1" + strings.Repeat("0", runtime.NumCPU()-1)
	return fmt.Sprintf(nginxMain, affinity, good.String(), l.control, l.control) + servers.String() + "}\n"
}

func (l *lab) startNginx(ctx context.Context) error {
	if err := l.write("nginx.conf", l.nginxConfig()); err != nil {
		return fmt.Errorf("configuring nginx: %w", err)
	}
	l.nginx = exec.Command("nginx", "-p", l.folder+"/", "-e", "error.log", "-c", "nginx.conf")
	var said strings.Builder
	l.nginx.Stderr = &said
	if err := l.nginx.Start(); err != nil {
		return fmt.Errorf("starting nginx: %w", err)
	}
	for range 100 {
		if _, err := l.status(ctx); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("nginx did not answer; it said: %s", said.String())
}

func (l *lab) close() error {
	if l.nginx != nil && l.nginx.Process != nil {
		_ = l.nginx.Process.Signal(os.Interrupt)
		_ = l.nginx.Wait()
	}
	return os.RemoveAll(l.folder)
}

// counts are nginx's since its start.
type counts struct{ accepts, requests int64 }

// status reads stub_status; each call is one accept and one request more.
func (l *lab) status(ctx context.Context) (counts, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", l.control), nil)
	if err != nil {
		return counts{}, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return counts{}, fmt.Errorf("asking nginx for its counts: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return counts{}, fmt.Errorf("asking nginx for its counts: %w", err)
	}
	return parseStatus(string(text))
}

// parseStatus reads the third line of stub_status: accepts, handled, requests.
func parseStatus(text string) (counts, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 3 {
		return counts{}, fmt.Errorf("malformed status %.60q", text)
	}
	f := strings.Fields(lines[2])
	if len(f) != 3 {
		return counts{}, fmt.Errorf("malformed status line %.60q", lines[2])
	}
	accepts, err1 := strconv.ParseInt(f[0], 10, 64)
	requests, err2 := strconv.ParseInt(f[2], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return counts{}, fmt.Errorf("malformed status line %.60q: %w", lines[2], err)
	}
	return counts{accepts, requests}, nil
}

// bad returns the first answer that no row asked for since the last call.
func (l *lab) bad() (string, error) {
	text, err := os.ReadFile(l.file(badLog))
	if err != nil {
		return "", fmt.Errorf("reading nginx's log: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return first, os.Truncate(l.file(badLog), 0)
}

func freePorts(n int) ([]int, error) {
	var free []int
	for range n {
		listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
		if err != nil {
			return nil, fmt.Errorf("choosing ports: %w", err)
		}
		defer func() { _ = listener.Close() }() // all of them held, so that they differ
		free = append(free, listener.Addr().(*net.TCPAddr).Port)
	}
	return free, nil
}
