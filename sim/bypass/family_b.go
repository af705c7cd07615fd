package bypass

import (
	"context"
	"fmt"

	"github.com/originpull/originpull/origin"
)

func init() {
	register(
		Attempt{
			ID:         "B01",
			Protocols:  everyProtocol,
			Title:      "secret header absent or empty",
			Family:     SharedSecret,
			Capability: KnowsAddress,
			Class:      Safe,
			Reference:  "AWS, Restrict access to Application Load Balancers (CloudFront Developer Guide)",
			Steps:      []string{"request without the secret header", "request with an empty one"},
			Holds:      origin.Authority,
			Mistakes:   map[string]string{origin.Header: "empty-secret"},
			Run:        absentOrEmpty,
		},
		Attempt{
			ID:         "B03",
			Protocols:  everyProtocol,
			Title:      "replay of a leaked current secret",
			Family:     SharedSecret,
			Capability: LeakedSecret,
			Class:      Safe,
			Reference:  "AWS, Restrict access to Application Load Balancers (CloudFront Developer Guide)",
			Steps:      []string{"request from outside with the current value"},
			Holds:      origin.Secret | origin.Authority,
			Mistakes:   map[string]string{origin.Header: "any-secret"},
			Run:        leakedSecret,
		},
		Attempt{
			ID:         "B04",
			Title:      "old secret after a rotation",
			Family:     SharedSecret,
			Capability: LeakedSecret,
			Class:      Safe,
			Reference:  "AWS, Restrict access to Application Load Balancers (CloudFront Developer Guide), rotation",
			Steps: []string{
				"rotate: the origin takes the new and the old value",
				"the legitimate edge pulls with the old value, then with the new one: both must succeed",
				"end the overlap: the origin takes the new value only",
				"request from outside with the old value",
			},
			Holds:    origin.Authority,
			Mistakes: map[string]string{origin.Header: "never-retire"},
			Run:      oldSecret,
		},
		Attempt{
			ID:         "B06",
			Protocols:  everyProtocol,
			Title:      "the right secret among wrong ones",
			Family:     SharedSecret,
			Capability: LeakedSecret,
			Class:      Safe,
			Reference:  "RFC 9110 section 5.3",
			Steps: []string{
				"send the header twice, the right value first",
				"send it twice, the wrong value first",
				"send one header with a comma list of both",
			},
			Holds:    origin.Authority,
			Mistakes: map[string]string{origin.Header: "any-value"},
			Also:     map[string]string{origin.Header: "first-value"},
			Exploits: origin.Secret,
			Run:      duplicatedSecret,
		},
	)
}

func absentOrEmpty(ctx context.Context, l *Lab) (Outcome, error) {
	return l.each(ctx,
		Try{Name: "absent"},
		Try{Name: "empty", Header: [][2]string{{SecretHeader, ""}}},
	)
}

func leakedSecret(ctx context.Context, l *Lab) (Outcome, error) {
	return l.each(ctx, Try{Name: "leaked secret", Header: [][2]string{{SecretHeader, l.Secret()}}})
}

func oldSecret(ctx context.Context, l *Lab) (Outcome, error) {
	if l.server != "" { // it reads its policy at the start, and the rotation is over
		return l.each(ctx, Try{Name: "old secret after the overlap", Header: [][2]string{{SecretHeader, l.Material.retired}}})
	}
	old := l.Secret()
	overlap := l.Policy()
	overlap.Secret, overlap.PreviousSecret = nextSecret, currentSecret
	if err := l.Reload(ctx, overlap, l.Material.Origin); err != nil {
		return Outcome{}, err
	}
	for _, use := range []struct{ secret, name string }{{currentSecret, "old"}, {nextSecret, "new"}} {
		l.secret = use.secret
		if err := l.Pull(ctx); err != nil {
			return Outcome{Denied: fmt.Sprintf("during the overlap the %s secret was refused: %v", use.name, err)}, nil
		}
	}
	after := overlap
	after.PreviousSecret = ""
	if err := l.Reload(ctx, after, l.Material.afterRotation()); err != nil {
		return Outcome{}, err
	}
	return l.each(ctx, Try{Name: "old secret after the overlap", Header: [][2]string{{SecretHeader, old}}})
}

func duplicatedSecret(ctx context.Context, l *Lab) (Outcome, error) {
	right := [2]string{SecretHeader, l.Secret()}
	wrong := [2]string{SecretHeader, "wrong"}
	return l.each(ctx,
		Try{Name: "right, then wrong", Header: [][2]string{right, wrong}},
		Try{Name: "wrong, then right", Header: [][2]string{wrong, right}},
		Try{Name: "comma list", Header: [][2]string{{SecretHeader, right[1] + ", " + wrong[1]}}},
	)
}
