package bypass

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/wire"
)

// Price is what attempts of family F cost the origin, and what is left for the
// edge meanwhile. Nothing of it decides a verdict.
type Price struct {
	Attempts       int           `json:"attempts"`          // made one after the other
	CPU            time.Duration `json:"cpuNanos"`          // of the origin's processes, per attempt; 0 = not known
	ResumedCPU     time.Duration `json:"resumedCpuNanos"`   // per attempt that resumes a session (F01); 0 = none did
	Sent, Received float64       `json:"-"`                 // by the attacker, bytes per attempt without IP and TCP
	Held           int           `json:"held"`              // connections that the origin still had open at the end
	Calm, Busy     float64       `json:"-"`                 // legitimate pulls per second, without the attempts and beside them; 0 in a control
	Endings        string        `json:"endings,omitempty"` // how attempts ended, for people
}

// Floods bounds what family F does. The zero value of a field is its default.
type Floods struct {
	Attempts int           // of one row at most; 0 = 60
	Within   time.Duration // in which attempts for the price may begin; 0 = 500 ms
	Window   time.Duration // of each measurement of goodput; 0 = 150 ms
}

func (f Floods) complete() Floods {
	if f.Attempts == 0 {
		f.Attempts = 60
	}
	if f.Within == 0 {
		f.Within = 500 * time.Millisecond
	}
	if f.Window == 0 {
		f.Window = 150 * time.Millisecond
	}
	return f
}

// Metered is an Origin that knows the CPU time that its processes have used.
type Metered interface {
	CPU() (time.Duration, error)
}

// burst is what one attempt of a flood came to.
type burst struct {
	sent, received int64
	open           net.Conn // left open on purpose; nil: nothing
	ended          string   // how it ended, the same words for the same ending
}

// flood makes the n-th attempt.
type flood func(ctx context.Context, l *Lab, n int) (burst, error)

// floodWorkers make attempts at once while goodput is measured.
const floodWorkers = 2

// flooded is an attempt of family F: goodput in calm, attempts one after the
// other for their price, goodput beside attempts, and one more request, whose
// refusal the origin's log explains as ever. most bounds the attempts.
func flooded(most int, f flood) func(context.Context, *Lab) (Outcome, error) {
	return func(ctx context.Context, l *Lab) (Outcome, error) {
		most := min(most, l.floods.Attempts)
		var calm float64
		var denied string
		var err error
		control := l.pristine.Mistake != ""
		if !control {
			if calm, denied, err = l.goodput(ctx, 0, nil); denied != "" || err != nil {
				return Outcome{Denied: denied}, err
			}
		}
		price, err := l.pay(ctx, most, f)
		if err != nil {
			return Outcome{}, err
		}
		l.price = &price
		if !control {
			price.Calm = calm
			if price.Busy, denied, err = l.goodput(ctx, most, f); denied != "" || err != nil {
				return Outcome{Denied: denied}, err
			}
		}
		var o Outcome
		if price.Held > 0 {
			o.Steps = append(o.Steps, Step{Name: fmt.Sprintf("%d of %d connections still held", price.Held, price.Attempts), Stage: wire.StageTCP, Held: true})
		}
		try := l.Try
		if l.overQUIC {
			try = l.TryQUIC
		}
		step, err := try(ctx, Try{Name: "one more request"})
		o.Steps = append(o.Steps, step)
		return o, err
	}
}

// pay makes the attempts one after the other.
func (l *Lab) pay(ctx context.Context, attempts int, f flood) (Price, error) {
	var price Price
	begun := time.Now()
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close() // the attempt's own
		}
	}()
	endings := map[string]int{}
	before, known := l.cpu()
	for n := range attempts {
		if n > 0 && time.Since(begun) > l.floods.Within {
			break
		}
		b, err := f(ctx, l, n)
		if errors.Is(err, errTurnedAway) {
			b, err = burst{ended: err.Error()}, nil
		}
		if b.open != nil {
			open = append(open, b.open)
		}
		if err != nil {
			return price, err
		}
		price.Attempts++
		price.Sent += float64(b.sent)
		price.Received += float64(b.received)
		if b.ended != "" {
			endings[b.ended]++
		}
	}
	price.Sent /= float64(price.Attempts)
	price.Received /= float64(price.Attempts)
	price.Held = held(open)
	if after, still := l.cpu(); known && still {
		price.CPU = (after - before) / time.Duration(price.Attempts)
	}
	price.Endings = counted(endings)
	return price, nil
}

// heldFor is how long the origin has to let go of what attempts have left open.
const heldFor = 150 * time.Millisecond

// held counts the connections that the origin has not closed.
func held(open []net.Conn) int {
	deadline, n := time.Now().Add(heldFor), 0
	for _, c := range open {
		if c.SetReadDeadline(deadline) != nil {
			continue
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			n++
		}
	}
	return n
}

// cpu is what the origin's processes have used so far.
func (l *Lab) cpu() (time.Duration, bool) {
	metered, ok := l.origin.(Metered)
	if !ok {
		return 0, false
	}
	used, err := metered.CPU()
	return used, err == nil
}

// goodput counts the pulls per second of the legitimate edge, one after the
// other on connections that it keeps, for a window; beside it attempts are
// made, most at most. denied is why the edge was refused.
func (l *Lab) goodput(ctx context.Context, most int, f flood) (perSecond float64, denied string, err error) {
	e, err := edge.New(l.edgeConfig())
	if err != nil {
		return 0, "", fmt.Errorf("making the legitimate edge: %w", err)
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	beside, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	var made atomic.Int64
	for range floodWorkers {
		if f != nil {
			workers.Go(func() { l.besides(beside, &made, int64(most), f) })
		}
	}
	begun, pulls := time.Now(), 0
	for time.Since(begun) < l.floods.Window {
		limited, cancel := context.WithTimeout(ctx, l.patience)
		reply, err := e.Pull(limited, edge.Viewer{Path: protectedPath})
		cancel()
		if err != nil || reply.Status != 200 {
			return 0, fmt.Sprintf("beside the attempts the edge was refused: status %d, %v", reply.Status, err), ctx.Err()
		}
		pulls++
	}
	return float64(pulls) / time.Since(begun).Seconds(), "", nil
}

// besides makes attempts until it is told to end. One that fails is none: what
// they come to was judged before.
func (l *Lab) besides(ctx context.Context, made *atomic.Int64, most int64, f flood) {
	var open []net.Conn
	for ctx.Err() == nil {
		n := made.Add(1)
		if n > most {
			break
		}
		if b, _ := f(ctx, l, int(n)); b.open != nil {
			open = append(open, b.open)
		}
	}
	<-ctx.Done() // what is held is held to the end of the window
	for _, c := range open {
		_ = c.Close()
	}
}

// counted writes endings with how often each came, the names in order.
func counted(endings map[string]int) string {
	parts := make([]string, 0, len(endings))
	for _, name := range slices.Sorted(maps.Keys(endings)) {
		parts = append(parts, fmt.Sprintf("%d %s", endings[name], name))
	}
	return strings.Join(parts, ", ")
}
