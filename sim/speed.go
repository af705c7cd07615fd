package sim

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/results"
)

// speed is what primitives cost in the OpenSSL on PATH, by `openssl speed`. The
// primitives that workers measure are Go's: a server with another library is
// held against its own, or against none.
type speed struct {
	path    string
	library string // as origin.Installed.TLS has it; "" where there is no tool
	costs   map[string]map[operation]float64
}

var speedLibrary = regexp.MustCompile(`OpenSSL [0-9]+\.[0-9]+\.[0-9]+[a-z]? +[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}`)

// findSpeed looks for the tool. Without one no server's library is its own.
func findSpeed(ctx context.Context) *speed {
	s := &speed{costs: map[string]map[operation]float64{}}
	path, err := exec.LookPath("openssl")
	if err != nil {
		return s
	}
	said, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return s
	}
	// "OpenSSL 3.0.19 … (Library: OpenSSL 3.0.19 …)": what it runs with is last.
	if all := speedLibrary.FindAllString(string(said), -1); len(all) > 0 {
		s.path, s.library = path, all[len(all)-1]
	}
	return s
}

// algorithm is an argument of `openssl speed`.
type algorithm struct {
	name string
	// seconds are how many measurements of a second it makes.
	seconds float64
	gives   []operation
}

// Not there: a key share for P-256, which costs far less than a derivation.
// That of X25519 is taken for one: both multiply a point by a scalar.
var (
	speedX25519 = algorithm{"ecdhx25519", 1, []operation{opAgreeX25519, opShareX25519}}
	speedKeys   = map[pki.KeyType]algorithm{
		pki.ECDSAP256: {"ecdsap256", 2, []operation{opSign, opVerify}},
		pki.ECDSAP384: {"ecdsap384", 2, []operation{opSign, opVerify}},
		pki.RSA2048:   {"rsa2048", 2, []operation{opSign, opVerify}},
		pki.RSA3072:   {"rsa3072", 2, []operation{opSign, opVerify}},
		pki.Ed25519:   {"ed25519", 2, []operation{opSign, opVerify}},
	}
)

// algorithms are those that the origin's primitives of an arm need.
func (s *speed) algorithms(a *Arm) ([]algorithm, error) {
	_, ops := operations(a)
	var all []algorithm
	for _, known := range []algorithm{speedX25519, speedKeys[pki.KeyType(a.Settings.Origin.Certificate.Key)]} {
		if slices.ContainsFunc(ops, func(op operation) bool { return slices.Contains(known.gives, op) }) {
			all = append(all, known)
			ops = slices.DeleteFunc(ops, func(op operation) bool { return slices.Contains(known.gives, op) })
		}
	}
	if len(ops) > 0 {
		return nil, fmt.Errorf("openssl speed does not measure %s", ops[0])
	}
	return all, nil
}

// own says why the tool does not speak for a library; nil: it does.
func (s *speed) own(library string) error {
	switch {
	case s.library == "":
		return errors.New("there is no openssl on PATH to measure its primitives with")
	case s.library != library:
		return fmt.Errorf("the openssl on PATH is %s", s.library)
	}
	return nil
}

// wants are the algorithms that an arm's server needs and that have not been
// measured yet.
func (s *speed) wants(a *Arm, library string) []algorithm {
	if s.own(library) != nil {
		return nil
	}
	all, err := s.algorithms(a)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(x algorithm) bool { return s.costs[x.name] != nil })
}

// measure runs the tool, once a run for each algorithm. Its figures are by its
// own CPU clock.
func (s *speed) measure(ctx context.Context, x algorithm) error {
	out, err := exec.CommandContext(ctx, s.path, "speed", "-seconds", "1", "-mr", x.name).Output()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("openssl speed %s: %w", x.name, err)
	}
	costs, err := parseSpeed(out)
	if err != nil {
		return fmt.Errorf("openssl speed %s: %w", x.name, err)
	}
	s.costs[x.name] = costs
	return nil
}

// parseSpeed reads one algorithm's line of `openssl speed -mr`, in microseconds
// of CPU: +F2 (RSA), +F4 (ECDSA) and +F6 (EdDSA) end with signing and
// verifying, +F5 (ECDH) with deriving, as operations in a second and then again
// as seconds.
func parseSpeed(out []byte) (map[operation]float64, error) {
	scanner := bufio.NewScanner(bytes.NewReader(out))
	for scanner.Scan() {
		kind, rest, _ := strings.Cut(scanner.Text(), ":")
		parts := strings.Split(rest, ":")
		if len(parts) < 4 || !slices.Contains([]string{"+F2", "+F4", "+F5", "+F6"}, kind) {
			continue
		}
		first, err := perOperation(parts[len(parts)-2])
		if err != nil {
			return nil, err
		}
		if kind == "+F5" {
			return map[operation]float64{opAgreeX25519: first, opShareX25519: first}, nil
		}
		second, err := perOperation(parts[len(parts)-1])
		return map[operation]float64{opSign: first, opVerify: second}, err
	}
	return nil, errors.Join(errors.New("it printed no figure"), scanner.Err())
}

// perOperation turns operations in a second into microseconds of one. Before
// OpenSSL 3 some lines had seconds instead, which are less than one.
func perOperation(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("%q is no speed", text)
	}
	if v < 1 {
		return v * 1e6, nil
	}
	return 1e6 / v, nil
}

// floor is the sum of the origin's primitives in the tool's library.
func (s *speed) floor(a *Arm) (total float64, err error) {
	all, err := s.algorithms(a)
	if err != nil {
		return 0, err
	}
	costs := map[operation]float64{}
	for _, x := range all {
		if s.costs[x.name] == nil {
			return 0, fmt.Errorf("openssl speed gave no figure for %s", x.name)
		}
		for op, cost := range s.costs[x.name] {
			costs[op] = cost
		}
	}
	_, ops := operations(a)
	for _, op := range ops {
		total += costs[op]
	}
	return total, nil
}

// speedSeconds is what measuring the primitives of real servers takes, once a
// run; planned has what other experiments have asked for already.
func (f found) speedSeconds(arms []Arm, planned *speed) (total float64) {
	for i := range arms {
		server := f[arms[i].Settings.Origin.Server]
		for _, x := range planned.wants(&arms[i], server.installed.TLS) {
			planned.costs[x.name] = map[operation]float64{}
			total += x.seconds
		}
	}
	return total
}

// measureSpeed measures what an experiment's servers are held against, before
// its arms start. What cannot be measured is left out, and efficiency with it.
func (r *run) measureSpeed(ctx context.Context, x *Experiment) error {
	if _, err := processCPU(os.Getpid()); x.Kind != Handshakes || x.distant() || err != nil {
		return nil
	}
	for i := range x.Arms {
		server, real := r.servers[x.Arms[i].Settings.Origin.Server]
		if !real {
			continue
		}
		if r.speed == nil {
			r.speed = findSpeed(ctx)
		}
		for _, wanted := range r.speed.wants(&x.Arms[i], server.installed.TLS) {
			if err := r.speed.measure(ctx, wanted); err != nil {
				if ctx.Err() != nil {
					return err
				}
				return nil // collecting says what is missing
			}
		}
	}
	return nil
}

// originPrimitives replaces Go's primitives by those of the origin's library,
// or takes the origin's floor away. It returns whose they are, and why there
// are none.
func (r *run) originPrimitives(a *Arm, t *armTrial) (library string, err error) {
	ours := "crypto of " + runtime.Version()
	_, ops := operations(a)
	server, real := r.servers[a.Settings.Origin.Server]
	if t.floor == nil || len(ops) == 0 {
		return "", nil
	}
	if !real || server.installed.TLS == goLibrary() {
		return ours, nil
	}
	floor := *t.floor
	floor.Origin = 0
	t.floor = &floor
	if strings.HasPrefix(server.installed.TLS, "crypto/tls of ") {
		return "", fmt.Errorf("this build has %s", runtime.Version())
	}
	if r.speed == nil {
		return "", errors.New("there is no openssl on PATH to measure its primitives with")
	}
	if err := r.speed.own(server.installed.TLS); err != nil {
		return "", err
	}
	if floor.Origin, err = r.speed.floor(a); err != nil {
		return "", err
	}
	return r.speed.library, nil
}

// goLibrary is this build's own library, as a Caddy of the same Go has it.
func goLibrary() string { return "crypto/tls of " + runtime.Version() }

// primitives holds the efficiency of an arm's origin against the primitives of
// its own library, and warns where there are none.
func (r *run) primitives(c *collected) (library string) {
	for i := range c.trials {
		of, err := r.originPrimitives(c.arm, &c.trials[i])
		if of != "" {
			library = of
		}
		if err == nil {
			continue
		}
		server := r.servers[c.arm.Settings.Origin.Server]
		v := &r.result.Validity
		warning := fmt.Sprintf("%s: %s is absent, because it is held against the primitives of %s: %v",
			c.arm.Experiment, results.MetricEfficiencyOrigin, server.installed.TLS, err)
		if !slices.Contains(v.Warnings, warning) {
			v.Warnings = append(v.Warnings, warning)
		}
	}
	return library
}
