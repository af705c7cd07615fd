package consent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/originpull/originpull/wire"
)

// Target is what a consent is for.
type Target struct {
	Address netip.AddrPort
	Name    string // in SNI and Host, without a port
}

// String is the target as a statement writes it.
func (t Target) String() string { return t.Address.String() }

// Local reports whether the target is on this machine.
func (t Target) Local() bool { return t.Address.Addr().IsLoopback() }

// Consent is an owner's word.
type Consent struct {
	Target Target
	By     string // where the word was found
	Until  time.Time
}

// Spoken is consent on the command line.
type Spoken struct {
	Target string // HOST:PORT of --allow-target; "": none
	Own    bool   // --i-own-this-origin
}

// Bounds of what a consent is good for, whatever it says.
const (
	longest        = time.Hour             // from when it was asked for
	mostConnection = 600                   // a run
	betweenTwo     = 50 * time.Millisecond // at the least
)

// Lookup is how the world is asked. Each field that is nil finds nothing.
type Lookup struct {
	Addresses func(ctx context.Context, host string) ([]netip.Addr, error)
	Texts     func(ctx context.Context, name string) ([]string, error)
	// Fetch returns the content at an https URL, and no redirect's.
	Fetch func(ctx context.Context, url string) (string, error)
	Now   func() time.Time // nil: time.Now
}

// ErrRefused is wrapped where no attempt may be made.
var ErrRefused = errors.New("no attempt was made and nothing was sent to it")

// Resolve finds the one address of an origin. At is the address that the user
// gave, "" to ask DNS. An address that no consent opens is refused.
func (l Lookup) Resolve(ctx context.Context, origin *url.URL, at string) (Target, error) {
	target := Target{Name: strings.ToLower(origin.Hostname())}
	port, err := strconv.ParseUint(cmp.Or(origin.Port(), "443"), 10, 16)
	if err != nil || port == 0 {
		return target, fmt.Errorf("the port of %s is none", origin.Redacted())
	}
	address, err := netip.ParseAddr(target.Name)
	switch {
	case at != "":
		if target.Address, err = netip.ParseAddrPort(at); err != nil {
			return target, fmt.Errorf("%q is no address with a port, such as 203.0.113.7:443", at)
		}
	case err == nil:
		target.Address = netip.AddrPortFrom(address, uint16(port))
	case l.Addresses == nil:
		return target, fmt.Errorf("%s has no address: give one in origin.address", target.Name)
	default:
		all, err := l.Addresses(ctx, target.Name)
		if err != nil || len(all) == 0 {
			return target, fmt.Errorf("finding the address of %s: %w", target.Name, cmp.Or(err, errors.New("it has none")))
		}
		slices.SortFunc(all, netip.Addr.Compare)
		target.Address = netip.AddrPortFrom(all[0], uint16(port))
	}
	target.Address = netip.AddrPortFrom(target.Address.Addr().Unmap().WithZone(""), target.Address.Port())
	if why := barred(target.Address.Addr()); why != "" {
		return target, fmt.Errorf("%s, the address of %s, %s: %w", target.Address, target.Name, why, ErrRefused)
	}
	return target, nil
}

// Ask finds the owner's consent. The error wraps ErrRefused and says each way
// of giving it.
func (l Lookup) Ask(ctx context.Context, t Target, spoken Spoken) (Consent, error) {
	now := time.Now
	if l.Now != nil {
		now = l.Now
	}
	c := Consent{Target: t, Until: now().Add(longest)}
	if t.Local() {
		c.By = "it is on this machine"
		return c, nil
	}
	if why := barred(t.Address.Addr()); why != "" {
		return Consent{}, fmt.Errorf("%s %s: %w", t.Address, why, ErrRefused)
	}
	switch {
	case spoken.Target == "" && !spoken.Own:
	case spoken.Target != t.Address.String() && spoken.Target != t.Name+":"+strconv.Itoa(int(t.Address.Port())):
		return Consent{}, fmt.Errorf("--allow-target %s is not the target, which is %s (%s): %w", spoken.Target, t.Address, t.Name, ErrRefused)
	case !spoken.Own:
		return Consent{}, fmt.Errorf("--allow-target says what may be attempted, and --i-own-this-origin by what right: give both: %w", ErrRefused)
	default:
		c.By = "--allow-target " + spoken.Target + " --i-own-this-origin"
		return c, nil
	}
	found := l.statements(ctx, t)
	var wrong []string
	for _, s := range found {
		until, err := read(s.text, t, now())
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("; %s says %q, but %v", s.place, s.text, err))
			continue
		}
		c.By = s.place
		if until.Before(c.Until) {
			c.Until = until
		}
		return c, nil
	}
	how := fmt.Sprintf("run it with --allow-target %s --i-own-this-origin", t.Address)
	if !t.numbered() {
		how += fmt.Sprintf(", or publish the text %q as a TXT record of %s or at %s as its CDN serves it",
			statement(t, now().AddDate(0, 0, 7).UTC().Format(time.DateOnly)), record(t), path(t))
	}
	return Consent{}, fmt.Errorf("the owner of %s (%s) has not consented: %s%s: %w", t.Address, t.Name, how, strings.Join(wrong, ""), ErrRefused)
}

// numbered: the target has no name, and nobody publishes anything under a number.
func (t Target) numbered() bool {
	_, err := netip.ParseAddr(t.Name)
	return err == nil
}

// Network reaches what was consented to.
func (c Consent) Network() *wire.Consented {
	n := &wire.Consented{Target: c.Target.Address, Until: c.Until, Most: mostConnection, Every: betweenTwo}
	if c.Target.Local() {
		n.Every = 0
	}
	return n
}

type found struct{ place, text string }

func (l Lookup) statements(ctx context.Context, t Target) (all []found) {
	if t.numbered() {
		return nil
	}
	if l.Texts != nil {
		texts, _ := l.Texts(ctx, record(t)) // none, as far as anybody can tell
		for _, text := range texts {
			all = append(all, found{"the TXT record of " + record(t), text})
		}
	}
	if l.Fetch != nil {
		if text, err := l.Fetch(ctx, path(t)); err == nil {
			all = append(all, found{path(t), strings.TrimSpace(text)})
		}
	}
	return all
}

func record(t Target) string { return "_originpull." + t.Name }
func path(t Target) string   { return "https://" + t.Name + "/.well-known/originpull" }

// statement is what an owner publishes.
func statement(t Target, until string) string {
	return fmt.Sprintf("originpull target=%s name=%s until=%s", t.Address, t.Name, until)
}

// longestStatement bounds what is read of one, in bytes.
const longestStatement = 512

// read returns when a statement ends, or why it does not consent.
func read(text string, t Target, now time.Time) (time.Time, error) {
	if len(text) > longestStatement {
		return time.Time{}, errors.New("that is too long")
	}
	fields := strings.Fields(text)
	if len(fields) == 0 || fields[0] != "originpull" {
		return time.Time{}, errors.New("it is about something else")
	}
	said := map[string]string{}
	for _, field := range fields[1:] {
		name, value, ok := strings.Cut(field, "=")
		if _, twice := said[name]; !ok || twice {
			return time.Time{}, fmt.Errorf("%q is no field of it, or one too many", field)
		}
		said[name] = value
	}
	until, err := time.Parse(time.DateOnly, said["until"])
	switch {
	case said["target"] != t.Address.String():
		return time.Time{}, fmt.Errorf("the target is %s", t.Address)
	case !strings.EqualFold(said["name"], t.Name):
		return time.Time{}, fmt.Errorf("the name is %s", t.Name)
	case err != nil:
		return time.Time{}, errors.New("until is no date, such as 2026-12-31")
	case !now.Before(until.AddDate(0, 0, 1)):
		return time.Time{}, errors.New("that is over")
	}
	return until.AddDate(0, 0, 1), nil // to the end of that day, in UTC
}
