package sim

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/results"
	"github.com/originpull/originpull/scenarios"
	"github.com/originpull/originpull/sim/bypass"
	"github.com/originpull/originpull/sim/consent"
)

// external is the server of an origin that somebody else runs.
const external = bypass.External

// ExternalPlan is an origin that the run does not start. Its material was read
// when the scenario was compiled, and is in no document.
type ExternalPlan struct {
	URL      string `json:"url"`
	Kind     string `json:"kind"`     // the server of this machine for the controls
	Strategy string `json:"strategy"` // what it is meant to ask for

	address string // of the user's, "" for that of the URL's host
	site    bypass.Site
}

// Target finds where the attempts would go: see consent.Lookup.Resolve.
func (e *ExternalPlan) Target(ctx context.Context, l consent.Lookup) (consent.Target, error) {
	origin, err := url.Parse(e.URL)
	if err != nil {
		return consent.Target{}, fmt.Errorf("origin.url: %w", err)
	}
	target, err := l.Resolve(ctx, origin, e.address)
	if err == nil && !target.Local() && strings.Contains(e.Strategy, "allowlist") {
		err = errors.New("an allowlist cannot be tried from one address: this machine's is either the edge's, or the edge's own pulls are refused; leave allowlist out of bypass.strategies")
	}
	return target, err
}

// external reads what an experiment on an origin of somebody else's needs.
func (c *compiler) external(x *Experiment, e *scenarios.Experiment) {
	base := fmt.Sprintf("experiments[%d]", e.Index)
	o := &e.Origin
	before := len(c.problems)
	if len(e.Bypass.Strategies) != 1 {
		c.problem(base+".bypass.strategies", "an external origin has one policy: name the strategy or the combination that it is meant to ask for, for example [mtls]")
	}
	if !slices.Equal(e.Bypass.Servers, []string{builtin}) && len(e.Bypass.Servers) > 0 {
		c.problem(base+".bypass.servers", "the servers of this machine are for the controls here: name one in origin.kind")
	}
	at, err := url.Parse(o.URL)
	if err != nil || at.Scheme != "https" || at.Hostname() == "" || at.User != nil || at.Fragment != "" {
		c.problem(base+".origin.url", "%q is not the URL of a protected object: write https://HOST/PATH", o.URL)
	}
	if len(c.problems) > before {
		return
	}
	x.Bypass.External = &ExternalPlan{URL: o.URL, Kind: cmp.Or(o.Kind, builtin), Strategy: e.Bypass.Strategies[0], address: o.Address}
	site := &x.Bypass.External.site
	*site = bypass.Site{
		Name: strings.ToLower(at.Hostname()), Path: at.RequestURI(), Strategy: e.Bypass.Strategies[0],
		Answer: o.Answer, Header: o.Header.Name,
	}
	c.material(site, &o.Material, base+".origin.material")
	if len(c.problems) > before {
		return
	}
	for _, id := range e.Bypass.Cases {
		if lacks := site.Lacks(id); lacks != "" {
			c.problem(base+".bypass.cases", "%s: %s", id, lacks)
		}
	}
	if len(c.problems) > before {
		return
	}
	rows, err := site.Rows(e.Bypass.Cases, e.Bypass.TLS)
	if err != nil {
		c.problem(base+".bypass", "%v", err)
	}
	x.PlannedSeconds += attemptSeconds * float64(len(rows))
}

// material reads the user's files, and says what is wrong with each.
func (c *compiler) material(site *bypass.Site, m *scenarios.Material, path string) {
	has := func(strategy string) bool {
		return slices.ContainsFunc(strings.Split(site.Strategy, "+"), func(s string) bool {
			return s == strategy || strategy == origin.MTLS && strings.HasPrefix(s, origin.MTLS)
		})
	}
	var err error
	if (m.Certificate == "") != (m.Key == "") {
		c.problem(path, "certificate and key go together")
	} else if m.Certificate != "" {
		site.Edge, err = c.pair(m.Certificate, m.Key)
		c.wrong(path+".certificate", err)
	} else if has(origin.MTLS) {
		c.problem(path+".certificate", "the strategy %s asks for the edge's certificate: name its file, and that of its key", site.Strategy)
	}
	if m.CACert != "" {
		site.Roots, err = c.roots(m.CACert)
		c.wrong(path+".cacert", err)
	}
	if m.Secret != "" {
		site.Secret, err = c.secret(m.Secret)
		c.wrong(path+".secret", err)
	} else if has(origin.Header) {
		c.problem(path+".secret", "the strategy %s asks for the secret header: name the file with its value", site.Strategy)
	}
	if m.RetiredSecret != "" {
		site.Retired, err = c.secret(m.RetiredSecret)
		c.wrong(path+".retiredSecret", err)
	}
	site.Certificates = map[string]tls.Certificate{}
	for i, own := range m.Certificates {
		at := fmt.Sprintf("%s.certificates[%d]", path, i)
		if _, takes := bypass.MadeElsewhere(own.Case); !takes {
			c.problem(at+".case", "%s takes no certificate of yours", own.Case)
			continue
		}
		if _, twice := site.Certificates[own.Case]; twice {
			c.problem(at+".case", "%s has one already", own.Case)
			continue
		}
		pair, err := c.pair(own.Certificate, own.Key)
		if c.wrong(at, err); err == nil {
			site.Certificates[own.Case] = *pair
		}
	}
}

func (c *compiler) wrong(path string, err error) {
	if err != nil {
		c.problem(path, "%v", err)
	}
}

// beside is a file that the scenario names.
func (c *compiler) beside(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(filepath.Dir(c.scenario.File), file)
}

func (c *compiler) pair(certificate, key string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.beside(certificate), c.beside(key))
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", certificate, key, err)
	}
	return &pair, nil
}

func (c *compiler) roots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(c.beside(file))
	if err != nil {
		return nil, fmt.Errorf("reading the authorities: %w", err)
	}
	all, err := pki.ParseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	pool := x509.NewCertPool()
	for _, certificate := range all {
		pool.AddCert(certificate)
	}
	return pool, nil
}

// secret is the first line of a file; what it says is in no error.
func (c *compiler) secret(file string) (string, error) {
	text, err := os.ReadFile(c.beside(file))
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	secret, _, _ := strings.Cut(string(text), "\n")
	secret = strings.TrimSuffix(secret, "\r")
	if secret == "" || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", fmt.Errorf("the first line of %s is no value of a header", file)
	}
	return secret, nil
}

// elsewhere makes the attempts on an origin that somebody else runs, with its
// owner's consent, and proves the controls of the same cases on a server of this
// machine.
func (r *run) elsewhere(ctx context.Context, x *Experiment) error {
	e := x.Bypass.External
	given, have := r.cfg.Consents[x.Name]
	if !have {
		return fmt.Errorf("no consent to attempts on %s was asked for: %w", e.URL, consent.ErrRefused)
	}
	site := e.site
	site.Network, site.Address, site.Intrusive = given.Network(), given.Target.Address, r.cfg.Intrusive
	planned, err := site.Rows(x.Bypass.Cases, x.Bypass.TLS)
	if err != nil {
		return err
	}
	// No single mistake opens a combination: each of its parts is proven alone.
	local := bypass.Plan{Cases: made(planned), Strategies: strings.Split(e.Strategy, "+"), TLS: x.Bypass.TLS, Servers: []string{e.Kind}, Protocols: []string{"h1"}}
	var controls []bypass.Planned
	if len(local.Cases) > 0 {
		if controls, err = bypass.Rows(local); err != nil {
			return err
		}
	}
	total := len(planned) + len(controls)
	r.result.Experiments = append(r.result.Experiments, results.Experiment{
		Name: x.Name, Kind: string(x.Kind), Line: x.Line, Trials: 1, Rows: total, PlannedSeconds: x.PlannedSeconds,
		Target: fmt.Sprintf("%s (%s)", given.Target.Address, given.Target.Name), Consent: given.By,
	})
	report := func(before int) func(done, _ int) {
		return func(done, _ int) {
			r.progress(x, Progress{Trial: before + done, Trials: total}, float64(before+done)/float64(total))
		}
	}
	rows, err := site.Run(ctx, planned, report(0))
	if err != nil && ctx.Err() == nil {
		rows = unproven(planned, err)
	}
	var proofs []bypass.Row
	if ctx.Err() == nil && len(controls) > 0 {
		starter := &originStarter{run: r, experiment: x.Name}
		proofs, err = bypass.Runner{Start: starter.start, Seed: r.plan.Seed, Progress: report(len(planned))}.Run(ctx, local)
		if err != nil && ctx.Err() == nil {
			r.result.Validity.Warnings = append(r.result.Validity.Warnings, fmt.Sprintf("%s: %v", x.Name, err))
		}
	}
	r.told(ctx, x, rows, proofs)
	return ctx.Err()
}

// told takes the rows into the document.
func (r *run) told(ctx context.Context, x *Experiment, rows, proofs []bypass.Row) {
	kind := x.Bypass.External.Kind
	where := kind
	if kind != builtin {
		where += " " + r.servers.server(ctx, kind).installed.Version
	}
	for i := range rows {
		row := bypassRow(x.Name, &rows[i])
		if row.State != "" && proven(proofs, &rows[i]) {
			row.ProvenOn = where
		}
		r.result.Bypass = append(r.result.Bypass, row)
	}
	for i := range proofs {
		r.result.Bypass = append(r.result.Bypass, bypassRow(x.Name, &proofs[i]))
	}
	addFindings(r.result, x.Name, slices.Concat(rows, proofs))
}

// made are the cases that will be attempted.
func made(planned []bypass.Planned) (cases []string) {
	for _, p := range planned {
		if p.Skipped == "" && !slices.Contains(cases, p.Case) {
			cases = append(cases, p.Case)
		}
	}
	return cases
}

// proven: under one strategy the case got through its control and was stopped
// without it, on a server of this machine.
func proven(proofs []bypass.Row, of *bypass.Row) bool {
	through, stopped := map[string]bool{}, map[string]bool{}
	for i := range proofs {
		p := &proofs[i]
		if p.Case != of.Case || p.TLS != of.TLS || p.Skipped != "" || !p.OK {
			continue
		}
		if p.Mistake != "" && p.Measured != bypass.Blocked {
			through[p.Strategy] = true
		}
		if p.Mistake == "" && (p.Measured == bypass.Blocked || of.Predicted == p.Measured) {
			stopped[p.Strategy] = true
		}
	}
	for strategy := range through {
		if stopped[strategy] {
			return true
		}
	}
	return false
}

// unproven are rows of which not one was attempted.
func unproven(planned []bypass.Planned, err error) []bypass.Row {
	rows := make([]bypass.Row, len(planned))
	for i, p := range planned {
		rows[i] = bypass.Row{
			Case: p.Case, Title: p.Title, Server: p.Server, Strategy: p.Strategy, TLS: p.TLS, Protocol: p.Protocol,
			Predicted: p.Predicted, Measured: bypass.NotRun, Skipped: p.Skipped, OK: p.Skipped != "",
		}
		if p.Skipped == "" {
			rows[i].State, rows[i].Detail = bypass.Unproven, err.Error()
		}
	}
	return rows
}
