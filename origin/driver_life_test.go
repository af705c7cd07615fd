package origin

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/originpull/originpull/pki"
)

// TestDrivers is the conformance test of the registry, servers apart.
func TestDrivers(t *testing.T) {
	if len(Drivers()) != 4 {
		t.Errorf("%d drivers", len(Drivers()))
	}
	for _, d := range Drivers() {
		t.Run(d.Name, func(t *testing.T) {
			if d.Title == "" || d.Package == "" || len(d.binaries) == 0 || gracefully[d.quit] == nil || len(d.logs) == 0 {
				t.Errorf("incomplete: %+v", d)
			}
			for _, sentence := range d.CannotTell {
				if strings.HasSuffix(sentence, ".") || sentence == "" {
					t.Errorf("not a clause: %q", sentence)
				}
			}
			if found, ok := DriverNamed(d.Name); !ok || found.Name != d.Name {
				t.Errorf("found %q, %v", found.Name, ok)
			}
			defer func() {
				if recover() == nil {
					t.Error("registered twice without a panic")
				}
			}()
			registerDriver(d)
		})
	}
	if _, ok := DriverNamed("iis"); ok {
		t.Error("a driver that is not registered was found")
	}
}

func TestFindSaysHowToInstall(t *testing.T) {
	d := Driver{Name: "nginx", Package: "nginx-light", binaries: []string{"no-such-server"}}
	_, err := d.Find(t.Context())
	if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "apt-get install nginx-light") {
		t.Errorf("error %v", err)
	}
}

// TestCheckNamesEveryReason needs no server.
func TestCheckNamesEveryReason(t *testing.T) {
	good := Config{Certificate: "server", Policy: Policy{Host: protectedHost}}
	for _, test := range []struct {
		name   string
		change func(*Setup)
		want   string // part of the error of every driver; "" is none
	}{
		{"good", func(*Setup) {}, ""},
		{"delay", func(s *Setup) { s.Config.Response.Delay = time.Second }, "no way to delay"},
		{"status", func(s *Setup) { s.Config.Response.Status = 503 }, "status 200 and not 503"},
		{"plaintext", func(s *Setup) { s.Config.Certificate = "" }, "no server certificate"},
		{"host", func(s *Setup) { s.Config.Policy.Host = "a\";" }, "configuration files quote differently"},
		{"cache control", func(s *Setup) { s.Config.Response.CacheControl = "max-age=\"$1\"" }, "configuration files quote differently"},
		{"group", func(s *Setup) { s.Config.Group = "x25519mlkem768" }, "no group x25519mlkem768"},
		{"mistake", func(s *Setup) { s.Config.Policy.Mistake = "no-pin" }, `mistake "no-pin"`},
		{"public host", func(s *Setup) { s.Config.Policy.PublicHosts = []string{publicHost} }, "public hosts"},
	} {
		for _, d := range Drivers() {
			s := Setup{Config: good}
			test.change(&s)
			if test.name == "public host" && d.PublicHosts() {
				continue
			}
			err := d.Check(Installed{Version: "1.0"}, s)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%s, %s: error %v lacks %q", d.Name, test.name, err, test.want)
			}
		}
	}
}

// TestLimits is what each server cannot do, in full.
func TestLimits(t *testing.T) {
	p := Policy{Strategies: []string{MTLS}, RevocationList: "revoked"}
	for _, test := range []struct {
		driver string
		pins   string // that it cannot ask for
		lists  bool   // it reads revocation lists
	}{
		{"apache", "leaf", true},
		{"caddy", "", false},
		{"haproxy", "san", true},
		{"nginx", "san leaf", true},
	} {
		d, _ := DriverNamed(test.driver)
		var cannot []string
		for _, pin := range Pins() {
			p.Pin = pin
			if limited(d.Limits(Installed{}, p), Subject) {
				cannot = append(cannot, string(pin))
			}
		}
		if got := strings.Join(cannot, " "); got != test.pins {
			t.Errorf("%s cannot pin %q, want %q", test.driver, got, test.pins)
		}
		if got := !limited(d.Limits(Installed{}, p), Freshness); got != test.lists {
			t.Errorf("%s reads revocation lists: %v", test.driver, got)
		}
	}
}

// publicTemp is a folder of temporary files that every user may enter, as
// servers run as nobody when the tests run as root.
func publicTemp(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", dir)
	return dir
}

func leftIn(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func (l *lab) setup() Setup {
	return Setup{Config: Config{Policy: Policy{Host: protectedHost}, Credentials: l.credentials(), Certificate: "server"}}
}

func TestServerThatDoesNotStartShowsItsOwnWords(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		dir := publicTemp(t)
		render := d.render
		d.render = func(r *rendering) (launch, error) {
			how, err := render(r)
			for _, file := range r.files {
				if strings.HasSuffix(file, ".conf") || strings.HasSuffix(file, ".cfg") || strings.HasSuffix(file, ".json") {
					err = errors.Join(err, r.write(file, []byte("nonsense of ours\n")))
				}
			}
			return how, err
		}
		_, err := d.Start(t.Context(), newLab(t).setup())
		words := map[string]string{
			"apache": "AH00534", "caddy": "invalid character", "haproxy": "unknown keyword 'nonsense'", "nginx": "[emerg] unexpected end of file",
		}
		if err == nil || !strings.Contains(err.Error(), words[d.Name]) {
			t.Errorf("error %v lacks %q", err, words[d.Name])
		}
		if left := leftIn(t, dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestServerTakesOtherPortsWhenOneIsLost(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		var taken net.Listener
		render, tries := d.render, 0
		d.render = func(r *rendering) (launch, error) {
			tries++
			if tries == 1 {
				var err error
				if taken, err = net.Listen("tcp", r.tls.String()); err != nil {
					return launch{}, err
				}
			}
			return render(r)
		}
		b := newLab(t).bench(d, nil)
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
		if got := b.pull(pull{}); tries != 2 || !got.served() {
			t.Errorf("%d tries, then %v, status %d", tries, got.err, got.status)
		}
	})
}

func TestServerThatDiesIsNoticed(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		dir := publicTemp(t)
		r, err := d.Start(t.Context(), newLab(t).setup())
		if err != nil {
			t.Fatal(err)
		}
		pids, err := r.Pids()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-r.Exited()
		if err := r.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Errorf("the second time: %v", err)
		}
		left, err := groupPids(pids[0])
		if err != nil || len(left) != 0 || len(leftIn(t, dir)) != 0 || r.Output() == "" {
			t.Errorf("left behind: %v %v, %v; it said %q", left, leftIn(t, dir), err, r.Output())
		}
	})
}

func TestServerStartIsBounded(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		dir := publicTemp(t)
		ctx, cancel := context.WithCancel(t.Context())
		render := d.render
		d.render = func(r *rendering) (launch, error) {
			cancel()
			return render(r)
		}
		_, err := d.Start(ctx, newLab(t).setup())
		if !errors.Is(err, context.Canceled) || len(leftIn(t, dir)) != 0 {
			t.Errorf("error %v, left behind: %v", err, leftIn(t, dir))
		}
	})
}

func TestServersFolderIsPrivateAndItsAuditKept(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		l := newLab(t)
		var audit bytes.Buffer
		b := l.bench(d, func(s *Setup) {
			s.Config.Policy = mustPolicy(t, Settings{SecretHeader: "X-Origin-Verify", Secret: "now", ClientRoots: "roots", Pin: PinNone}, Header, MTLS)
			s.Config.Audit = &audit
		})
		err := filepath.Walk(b.running.dir, func(path string, info os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			key := strings.HasSuffix(path, ".key") || strings.HasSuffix(path, ".pem") || path == b.running.dir || strings.Contains(path, "conf")
			if key && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", filepath.Base(path), info.Mode())
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		right := pull{cert: l.edge, header: "X-Origin-Verify: " + secretNow + "\r\n"}
		if got := b.pull(right); !got.served() {
			t.Errorf("%v, status %d", got.err, got.status)
		}
		b.pull(pull{cert: l.edge})
		b.pull(pull{})
		b.stop()
		entries, err := ReadAudit(bytes.NewReader(audit.Bytes()))
		var verdicts []string
		for _, e := range entries {
			verdicts = append(verdicts, e.Verdict)
		}
		if err != nil || len(entries) != 3 || strings.Count(strings.Join(verdicts, " "), Refused) != 2 {
			t.Errorf("audit %+v, %v", entries, err)
		}
		if strings.Contains(audit.String(), secretNow) {
			t.Error("the secret is in the audit log")
		}
	})
}

func TestWeakerLeavesOutWhatAServerCannotAsk(t *testing.T) {
	everyServer(t, func(t *testing.T, d Driver) {
		found := installed(t, d)
		for _, pin := range Pins() {
			p := Policy{Strategies: []string{MTLS}, Pin: pin}
			if !limited(d.Limits(found, p), Subject) {
				continue
			}
			l := newLab(t)
			value, err := pin.Value(l.edge.Leaf)
			if err != nil {
				t.Fatal(err)
			}
			b := l.bench(d, func(s *Setup) {
				s.Weaker = true
				s.Config.Policy = mustPolicy(t, Settings{ClientRoots: "roots", Pin: pin, PinValue: value}, MTLS)
			})
			other := l.issue(pki.Request{Name: "other", Usage: pki.ClientAuth})
			if got := b.pull(pull{cert: other}); !got.served() {
				t.Errorf("pin %s: %v, status %d", pin, got.err, got.status)
			}
			b.refused(pull{version: "1.3"}, Chain)
		}
	})
}

// FuzzServerLogs: what a caller writes into a log must not stop the reading.
func FuzzServerLogs(f *testing.F) {
	f.Add(nginxLine)
	f.Add("1.1.1.1\t1\t2\tTLSv1.3\t.\tNONE\t200\t1\t\t\t\tGET\t/\t\t443")
	f.Add("127.0.0.1\t1\t5\t443\tTLSv1.2\t0\t0\tSuccess\t200\t-\ta\ta\tGET\t/o/k\t-")
	f.Add("127.0.0.1\t1\t0\tTLSv1.3\tInitial\t200\t9\t-\ta\ta\tGET\t/o/k\tAB\t443")
	f.Add("info\t127.0.0.1:1\tAH02008: SSL library error 1 in handshake")
	f.Add(`{"logger":"http.stdlib","msg":"http: TLS handshake error from 127.0.0.1:1: EOF"}`)
	f.Add(`{"request":{"remote_ip":"127.0.0.1","remote_port":"1","tls":{"version":772}},"status":200}`)
	f.Fuzz(func(t *testing.T, line string) {
		for _, d := range Drivers() {
			for _, file := range d.logs {
				l := newLedger(Config{Audit: &bytes.Buffer{}})
				if err := d.parse(l, file, line); err == nil && l.counts.Ended() > 1 {
					t.Errorf("%s: one line of %s ended %d connections", d.Name, file, l.counts.Ended())
				}
			}
		}
	})
}

const nginxLine = `2026/01/01 00:00:00 [info] 1#1: *4 SSL_do_handshake() failed while SSL handshaking, client: 127.0.0.1, server: 127.0.0.1:443`
