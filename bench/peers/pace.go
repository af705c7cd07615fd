package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/originpull/originpull/results"
)

// paceRate is the arrival rate whose send error is asked for.
const paceRate = 500

// pace measures the send error that originpull reports of itself at a
// constant arrival rate.
func pace(ctx context.Context, l *lab, progress io.Writer) (section, error) {
	s := section{title: fmt.Sprintf("Send error at %d requests a second, as originpull reports it", paceRate)}
	s.add("scheduling", "p50 µs", "p99 µs", "p99.9 µs", "sent", "must", "")
	for _, how := range []struct {
		name   string
		prefix []string
		judged bool
	}{{"SCHED_FIFO", []string{"chrt", "-f", "50"}, true}, {"ordinary", nil, false}} {
		if reason := cannot(how.prefix); reason != "" {
			s.add(how.name, "not run: "+reason, "", "", "", "5 / 50 / 200", "not run")
			continue
		}
		micros, sent, err := paceRounds(ctx, l, how.prefix)
		if err != nil {
			return section{}, err
		}
		_, _ = fmt.Fprintf(progress, "  %s: %.1f µs\n", how.name, micros)
		must, verdict := "–", ""
		if how.judged {
			must, verdict = "5 / 50 / 200", paceVerdict(micros)
		}
		s.add(how.name, fmt.Sprintf("%.1f", micros[0]), fmt.Sprintf("%.1f", micros[1]), fmt.Sprintf("%.1f", micros[2]), fmt.Sprint(sent), must, verdict)
	}
	s.end()
	return s, nil
}

var (
	paceMust = [3]float64{5, 50, 200} // µs at p50, p99, p99.9
	paceAim  = [3]float64{1, 5, 20}
)

func paceVerdict(micros [3]float64) string {
	below := func(bounds [3]float64) bool {
		for i, b := range bounds {
			if micros[i] > b {
				return false
			}
		}
		return true
	}
	switch {
	case below(paceAim):
		return "aim met"
	case below(paceMust):
		return "met"
	}
	return "not met"
}

func cannot(prefix []string) string {
	if prefix == nil {
		return ""
	}
	if _, err := exec.LookPath(prefix[0]); err != nil {
		return prefix[0] + " is not installed"
	}
	if os.Geteuid() != 0 {
		return "only root may ask for it"
	}
	return ""
}

// paceRounds is the median of three rounds.
func paceRounds(ctx context.Context, l *lab, prefix []string) (micros [3]float64, sent int64, err error) {
	w := load{tls: "1.3", mtls: true, reuse: true}
	var all [3][]float64
	for range 3 {
		session, err := startSession(ctx, l, scenarioWith(w, "x25519", fmt.Sprintf("model: constant, rate: %d/s", paceRate)), prefix)
		if err != nil {
			return micros, sent, err
		}
		warm := session.block(1, true)
		blocked := session.block(2*l.options.seconds, false)
		summary, err := session.end()
		for _, err := range []error{warm, blocked, err} {
			if err != nil {
				return micros, sent, err
			}
		}
		h, err := results.DecodeHistogram(summary.Summary.Histograms["send.error"])
		if err != nil {
			return micros, sent, err
		}
		sent += h.TotalCount()
		for i, p := range []float64{50, 99, 99.9} {
			all[i] = append(all[i], float64(h.ValueAtPercentile(p))/float64(time.Microsecond))
		}
	}
	for i := range all {
		micros[i] = median(all[i])
	}
	return micros, sent, nil
}
