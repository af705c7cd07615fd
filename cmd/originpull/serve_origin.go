package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/scenarios"
)

const serveOriginHelp = `Serve as an origin that wants to be pulled from by its edge alone. It answers
GET and HEAD of / and of /o/anything.

  originpull serve origin --listen 127.0.0.1:8443 --strategy mtls --client-ca edge-ca.pem --san edge.test --self-made ./origin
  originpull serve origin --listen 127.0.0.1:9000 --strategy header --secret-file secret
  originpull serve origin --listen 127.0.0.1:9000 --strategy allowlist --allow 10.0.0.0/8,192.0.2.7

Strategies add up: --strategy mtls,header wants both. Every request is a line of
the audit log (--audit).`

// Names of the origin's credentials.
const (
	servedCertificate = "server"
	servedRoots       = "clients"
	servedRevoked     = "revoked"
	servedSecret      = "secret"
	servedPrevious    = "previous-secret"
)

func serveOrigin(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use: "origin", Short: "A protected origin", Long: serveOriginHelp,
		Args: checked(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := settings(cmd)
			if err != nil {
				return err
			}
			o := &originServing{v: v}
			served, err := o.prepare()
			if err != nil {
				return usage(fmt.Errorf("serve origin: %w", err))
			}
			return errors.Join(served.run(cmd.Context(), s), o.close())
		},
	}
	f := cmd.Flags()
	f.String("listen", "127.0.0.1:8443", "address for the edge")
	f.StringSlice("strategy", nil, "who may pull: "+strings.Join(strategyNames(), ", ")+"; several must all be satisfied")
	f.String("host", "localhost", "the protected host")
	f.String("cert", "", "server certificate (PEM, with intermediates)")
	f.String("key", "", "its key")
	f.String("self-made", "", "folder of an authority that is made there, with a server certificate for --host; ca.pem, server.pem and server.key are written into it")
	f.String("client-ca", "", "authorities that may have issued the edge's certificate (mtls)")
	f.String("san", "", "the name in the edge's certificate; without it every certificate of the authority will do (mtls)")
	f.String("crl", "", "revocation list of that authority (mtls)")
	f.String("header-name", "X-Origin-Verify", "name of the secret header (header)")
	f.String("secret-file", "", "file with its value (header)")
	f.String("previous-secret-file", "", "file with the value that still counts while secrets change (header)")
	f.StringSlice("allow", nil, "addresses or prefixes that may connect (allowlist)")
	f.String("size", "1KiB", "content of an object")
	f.String("cache-control", "max-age=60", "Cache-Control of an object")
	f.Duration("delay", 0, "before the first byte of an object")
	f.String("audit", "", "file for the audit log (default: none)")
	f.Duration("drain", 30*time.Second, "how long answers under way may take after SIGTERM")
	return cmd
}

func strategyNames() (names []string) {
	for _, s := range origin.Strategies() {
		names = append(names, s.Name)
	}
	return names
}

// originServing is what serve origin was told.
type originServing struct {
	v      *viper.Viper
	server *origin.Server
	audit  *os.File
}

func (o *originServing) close() error {
	if o.audit == nil {
		return nil
	}
	return o.audit.Close()
}

// prepare reads everything, and tells all that is wrong at once.
func (o *originServing) prepare() (*server, error) {
	var wrong problems
	wrong.add(o.selfMade())
	policy, credentials, err := o.policy()
	wrong.add(err)
	cfg := origin.Config{Policy: policy, Credentials: credentials, Tickets: true}
	if _, have := credentials.Certificates[servedCertificate]; have {
		cfg.Certificate = servedCertificate
	}
	var size scenarios.ByteSize
	if err := size.UnmarshalText([]byte(o.v.GetString("size"))); err != nil {
		wrong.add(fmt.Errorf("--size: %w", err))
	}
	cfg.Response = origin.Response{Size: int64(size), Delay: o.v.GetDuration("delay"), CacheControl: o.v.GetString("cache-control")}
	if o.v.GetDuration("drain") <= 0 {
		wrong.add(fmt.Errorf("--drain %s: it must be longer than nothing", o.v.GetDuration("drain")))
	}
	if wrong.err() == nil {
		wrong.add(o.start(cfg))
	}
	if err := wrong.err(); err != nil {
		return nil, errors.Join(err, o.close())
	}
	return &server{
		name: "origin", listen: o.v.GetString("listen"), drain: o.v.GetDuration("drain"),
		serve:    func(l net.Listener) error { return o.server.Serve(l) },
		shutdown: o.server.Shutdown, files: o.files(),
		reload: func(context.Context) error {
			policy, credentials, err := o.policy()
			if err != nil {
				return err
			}
			return o.server.Reload(policy, credentials)
		},
	}, nil
}

// start opens the audit log and makes the server.
func (o *originServing) start(cfg origin.Config) error {
	if name := o.v.GetString("audit"); name != "" {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("--audit: %w", err)
		}
		o.audit, cfg.Audit = file, file
	}
	var err error
	o.server, err = origin.New(cfg)
	return err
}

// list is a setting of several values: a variable has them in one string.
func (o *originServing) list(setting string) (all []string) {
	for _, text := range o.v.GetStringSlice(setting) {
		for value := range strings.SplitSeq(text, ",") {
			all = append(all, strings.TrimSpace(value))
		}
	}
	return all
}

func (o *originServing) files() []string {
	given := named(o.certificate())
	for _, flag := range []string{"client-ca", "crl", "secret-file", "previous-secret-file"} {
		given = append(given, named(o.v.GetString(flag))...)
	}
	return given
}

// certificate returns the files of the server certificate and its key.
func (o *originServing) certificate() (cert, key string) {
	if folder := o.v.GetString("self-made"); folder != "" {
		return filepath.Join(folder, "server.pem"), filepath.Join(folder, "server.key")
	}
	return o.v.GetString("cert"), o.v.GetString("key")
}

// selfMade makes a server certificate where it was asked to, unless there is
// one.
func (o *originServing) selfMade() error {
	folder := o.v.GetString("self-made")
	if folder == "" {
		return nil
	}
	if o.v.GetString("cert") != "" || o.v.GetString("key") != "" {
		return errors.New("--self-made and --cert exclude each other")
	}
	cert, key := o.certificate()
	if _, err := os.Stat(cert); err == nil {
		return nil
	}
	authority, err := pki.Open(filepath.Join(folder, "authority"), pki.Config{})
	if err != nil {
		return fmt.Errorf("--self-made: %w", err)
	}
	host := o.v.GetString("host")
	issued, err := authority.Issue(pki.Request{
		Name: host, Usage: pki.ServerAuth, DNSNames: []string{host},
		Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()},
	})
	if err != nil {
		return fmt.Errorf("--self-made: %w", err)
	}
	for _, file := range []struct {
		name    string
		content []byte
		mode    os.FileMode
	}{
		{filepath.Join(folder, "ca.pem"), authority.Roots(), 0o644},
		{key, issued.KeyPEM, 0o600},
		{cert, issued.CertPEM, 0o644}, // last: it says that all is there
	} {
		if err := os.WriteFile(file.name, file.content, file.mode); err != nil {
			return fmt.Errorf("--self-made: %w", err)
		}
	}
	return nil
}

// policy reads what the strategies need.
func (o *originServing) policy() (origin.Policy, pki.Credentials, error) {
	var wrong problems
	strategies := o.list("strategy")
	if len(strategies) == 0 {
		wrong.add(fmt.Errorf("--strategy is missing: say who may pull: %s", strings.Join(strategyNames(), ", ")))
	}
	c := pki.Credentials{
		Certificates: map[string]pki.KeyPair{}, Roots: map[string]string{},
		RevocationLists: map[string]string{}, Secrets: map[string]string{},
	}
	wrong.add(o.pair(c))
	s := origin.Settings{SecretHeader: o.v.GetString("header-name"), Pin: origin.PinNone}
	wrong.add(o.clients(strategies, &s, c))
	wrong.add(o.secrets(strategies, &s, c))
	wrong.add(o.addresses(strategies, &s))
	p, err := origin.NewPolicy(o.v.GetString("host"), strategies, s)
	wrong.add(err)
	return p, c, wrong.err()
}

func (o *originServing) pair(c pki.Credentials) error {
	cert, key := o.certificate()
	if pair, err := readPair("cert", cert, "key", key); pair == nil || err != nil {
		return err
	}
	certText, err := readText("cert", cert)
	if err != nil {
		return err
	}
	keyText, err := readText("key", key)
	if err != nil {
		return err
	}
	c.Certificates[servedCertificate] = pki.KeyPair{Certificate: certText, Key: keyText}
	return nil
}

// needs refuses a setting that its strategy lacks, or that lacks its strategy.
func (o *originServing) needs(strategies []string, strategy, flag string, required bool) (string, error) {
	value := o.v.GetString(flag)
	switch in := slices.Contains(strategies, strategy); {
	case in && required && value == "":
		return "", fmt.Errorf("--strategy %s needs --%s", strategy, flag)
	case !in && value != "":
		return "", fmt.Errorf("--%s needs --strategy %s", flag, strategy)
	}
	return value, nil
}

func (o *originServing) clients(strategies []string, s *origin.Settings, c pki.Credentials) error {
	var wrong problems
	roots, err := o.needs(strategies, origin.MTLS, "client-ca", true)
	wrong.add(err)
	if roots != "" {
		s.ClientRoots = servedRoots
		c.Roots[servedRoots], err = readText("client-ca", roots)
		wrong.add(err)
	}
	list, err := o.needs(strategies, origin.MTLS, "crl", false)
	wrong.add(err)
	if list != "" {
		s.RevocationList = servedRevoked
		c.RevocationLists[servedRevoked], err = readText("crl", list)
		wrong.add(err)
	}
	name, err := o.needs(strategies, origin.MTLS, "san", false)
	wrong.add(err)
	if name != "" {
		s.Pin, s.PinValue = origin.PinSAN, name
	}
	return wrong.err()
}

func (o *originServing) secrets(strategies []string, s *origin.Settings, c pki.Credentials) error {
	var wrong problems
	for _, file := range []struct {
		flag, credential string
		required         bool
		to               *string
	}{
		{"secret-file", servedSecret, true, &s.Secret},
		{"previous-secret-file", servedPrevious, false, &s.PreviousSecret},
	} {
		name, err := o.needs(strategies, origin.Header, file.flag, file.required)
		wrong.add(err)
		if name != "" {
			*file.to = file.credential
			c.Secrets[file.credential], err = readSecret(file.flag, name)
			wrong.add(err)
		}
	}
	return wrong.err()
}

func (o *originServing) addresses(strategies []string, s *origin.Settings) error {
	var wrong problems
	allowed := o.list("allow")
	switch in := slices.Contains(strategies, origin.Allowlist); {
	case in && len(allowed) == 0:
		wrong.add(errors.New("--strategy allowlist needs --allow"))
	case !in && len(allowed) > 0:
		wrong.add(errors.New("--allow needs --strategy allowlist"))
	}
	for _, text := range allowed {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var one netip.Addr
			if one, err = netip.ParseAddr(text); err == nil {
				prefix = netip.PrefixFrom(one, one.BitLen())
			}
		}
		if err != nil {
			wrong.add(fmt.Errorf("--allow %q: write an address (192.0.2.7) or a prefix (10.0.0.0/8)", text))
			continue
		}
		s.EdgeAddresses = append(s.EdgeAddresses, prefix)
	}
	return wrong.err()
}
