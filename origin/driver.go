package origin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Driver runs a server that people have in front of their content as an
// origin: it renders a Policy into that server's own configuration. Nothing is
// patched and nothing is proxied; what is measured is what the package ships.
type Driver struct {
	Name    string
	Title   string // one line, for a person
	Package string // what Debian calls it
	// CannotTell are the things that Counts and Await do not learn from this
	// server, a sentence each.
	CannotTell []string

	// Include is where in the server's configuration directives of the user's own
	// go (Setup.Include); "" = nowhere.
	Include string

	// binaries are the names under which the server is looked up, best first.
	binaries []string
	// identify asks the binary at a path for its version and its TLS library.
	identify func(ctx context.Context, path string) (Installed, error)
	// limits says what of a policy the server cannot enforce as written.
	limits func(Installed, Policy) []Limit
	// refuses says what of the rest of a setup the server cannot be told.
	refuses func(Installed, Setup) error
	// render writes the configuration and says how to start the server on it.
	render func(*rendering) (launch, error)
	// sides are the listeners that the driver opens beside the TLS port when
	// it is asked to: see Setup.Sides.
	sides []string
	// publicHosts: the driver writes public hosts beside the protected one.
	publicHosts bool
	// reload is the signal, a key of gracefully, on which the server reads its
	// configuration again and keeps its connections' listeners; "" = it cannot.
	reload string
	// mistakes are those that the driver writes beside mistakesOfAll.
	mistakes []string
	// unwritten are those of mistakesOfAll that the server has no words for.
	unwritten []string
	// refusesAt is Stage; nil: at http, whatever is missing.
	refusesAt func(missing Proof) string
	// quit is the signal, a key of gracefully, that lets the server finish.
	quit string
	// logs are the files in the private folder that parse reads, by name.
	logs []string
	// parse takes one line of such a file into the ledger.
	parse func(l *ledger, file, line string) error
	// opened: the log names TLS connections at accept (ledger.opened), and
	// what is more than their ends is Untold.
	opened bool
	// accepted reads the numbers of connections accepted, and refused before
	// TLS, from the server's own counters; nil: it has none, and Accepted is
	// the sum of the ends.
	accepted func(ctx context.Context, r *Running) (accepted, refused int64, err error)
}

// Installed is a server that was found.
type Installed struct {
	Path    string // of the binary
	Version string // as the server writes it: "1.22.1"
	TLS     string // the library it runs with: "OpenSSL 3.0.19 27 Jan 2026"

	build string // all that the server says about how it was built
}

// Limit is one thing that a policy asks for and a server does not do as
// written.
type Limit struct {
	// Proof are the proofs concerned.
	Proof Proof
	// Weak: the server asks for the proof, in most cases; Reason says when
	// not. Otherwise it cannot ask for it at all, and Start refuses the policy.
	Weak bool
	// On are the connections on which it is so; none means all of them.
	On     []Connection
	Reason string // one sentence
}

// ErrNotInstalled is what Find wraps where there is no such server.
var ErrNotInstalled = errors.New("not installed")

var drivers []Driver

func registerDriver(d Driver) {
	if _, taken := DriverNamed(d.Name); taken {
		panic("origin: driver " + d.Name + " is registered twice")
	}
	drivers = append(drivers, d)
	slices.SortFunc(drivers, func(a, b Driver) int { return strings.Compare(a.Name, b.Name) })
}

// Drivers lists the drivers by name, those of servers that are not here too.
func Drivers() []Driver { return slices.Clone(drivers) }

// DriverNamed finds a driver.
func DriverNamed(name string) (Driver, bool) {
	i := slices.IndexFunc(drivers, func(d Driver) bool { return d.Name == name })
	if i < 0 {
		return Driver{}, false
	}
	return drivers[i], true
}

// identifyWithin bounds how long a server may take to say its version.
const identifyWithin = 10 * time.Second

// Find looks for the server on PATH and where distributions keep servers, and
// asks it who it is. The error wraps ErrNotInstalled and says how to install
// it where it is not found.
func (d Driver) Find(ctx context.Context) (Installed, error) {
	path, err := lookUp(d.binaries)
	if err != nil {
		return Installed{}, fmt.Errorf("server %s: %w: on Debian, apt-get install %s", d.Name, err, d.Package)
	}
	ctx, cancel := context.WithTimeout(ctx, identifyWithin)
	defer cancel()
	found, err := d.identify(ctx, path)
	if err != nil {
		return Installed{}, fmt.Errorf("server %s at %s: %w", d.Name, path, err)
	}
	found.Path = path
	return found, nil
}

// lookUp adds the folders that hold servers and are not on everyone's PATH.
func lookUp(names []string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
		for _, folder := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/homebrew/bin"} {
			path := filepath.Join(folder, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return path, nil
			}
		}
	}
	return "", ErrNotInstalled
}

// ask runs the binary and returns all it says.
func ask(ctx context.Context, path string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, tail(out))
	}
	return string(out), nil
}

// Limits lists what the server does not enforce as the policy says: Start
// refuses a policy with a limit that is not Weak. A cost run refuses it by
// name; a bypass run takes it into its prediction.
func (d Driver) Limits(found Installed, p Policy) []Limit {
	var limits []Limit
	limits = append(limits, mistakeLimit(d, p)...)
	if len(p.PublicHosts) > 0 && !d.publicHosts {
		limits = append(limits, Limit{Reason: "public hosts beside the protected one are not written for a real server yet"})
	}
	if p.Uses(MTLS) {
		limits = append(limits, Limit{
			Proof: Validity, Weak: true, On: []Connection{Pooled},
			Reason: "a certificate that expires keeps the connections it has opened",
		})
	}
	return append(limits, d.limits(found, p)...)
}

// Check says why the server cannot run the setup, all reasons in one error.
func (d Driver) Check(found Installed, s Setup) error {
	var problems []error
	for _, limit := range d.Limits(found, s.Config.Policy) {
		if limit.Weak {
			continue
		}
		if limit.Proof == 0 || !s.Weaker {
			problems = append(problems, errors.New(limit.Reason))
		}
	}
	if p := s.Config.Policy; p.Mistake != "" && !s.Weaker {
		problems = append(problems, fmt.Errorf("mistake %q is for bypass runs alone", p.Mistake))
	}
	if s.Include != "" && d.Include == "" {
		problems = append(problems, errors.New("its configuration is written whole, and has no place for directives of one's own"))
	}
	problems = append(problems, refuseLibrary(found, s), d.refuses(found, s), s.check())
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("server %s %s cannot run this origin: %w", d.Name, found.Version, err)
	}
	return nil
}

// pinLimit is the limit of a server that knows only some pins.
func pinLimit(p Policy, reason string, known ...Pin) []Limit {
	if !p.Uses(MTLS) || slices.Contains(known, p.Pin) {
		return nil
	}
	return []Limit{{Proof: Subject, Reason: fmt.Sprintf("it cannot pin %s: %s", p.Pin, reason)}}
}

// revocationRead is the limit of every server that reads its list once.
func revocationRead(p Policy) []Limit {
	if !p.Uses(MTLS) || p.RevocationList == "" {
		return nil
	}
	return []Limit{{
		Proof: Freshness, Weak: true,
		Reason: "the revocation list is the one that was read at the start or the last reload, and resumed sessions are not checked against it again",
	}}
}
