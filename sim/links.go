package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/originpull/originpull/wire"
)

// linkTried is the distance at which links are tried.
const linkTried = 50 * time.Millisecond

// checkLinks says of every kind of link whether it is here, opens those that
// carry packets, and sees what they make of a distance.
func checkLinks(ctx context.Context) []Check {
	var checks []Check
	for _, name := range wire.Kinds() {
		kind, _ := wire.KindOf(name)
		c := Check{Name: "link " + name}
		if !kind.Packets {
			c.OK, c.Detail = true, kind.Summary
			checks = append(checks, c)
			continue
		}
		path, err := wire.Open(wire.Link{Kind: name, RTT: linkTried})
		if err != nil {
			c.Detail = err.Error()
			checks = append(checks, c)
			continue
		}
		found, err := path.Calibrate(ctx)
		if err = errors.Join(err, path.Close()); err != nil {
			c.Detail = err.Error()
		} else {
			c.OK, c.Detail = describeLink(path, found)
		}
		checks = append(checks, c)
	}
	return checks
}

func describeLink(path *wire.Path, found wire.Calibration) (ok bool, detail string) {
	detail = fmt.Sprintf("%v are %v, packets late by %v (half), %v (99 of 100)", found.Nominal,
		found.Realised.Round(100*time.Microsecond), found.Stats.LatenessP50, found.Stats.LatenessP99)
	trust := path.Judge(found, wire.LinkStats{})
	if !trust.Valid {
		detail += ": " + strings.Join(trust.Reasons, "; ")
	}
	return trust.Valid, detail
}
