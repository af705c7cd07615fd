package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const serveHelp = `Serve as the edge, or as the origin, to whoever comes: curl, a browser, a load
generator, another edge.

  originpull serve origin --listen 127.0.0.1:8443 --strategy mtls --client-ca edge-ca.pem --san edge.test
  originpull serve edge --listen 127.0.0.1:8080 --origin https://localhost:8443 --cert edge.pem --key edge.key --cacert origin-ca.pem

Every setting is a flag, an environment variable (--tls-cert is
ORIGINPULL_TLS_CERT) or a line of the file behind --config (tls-cert: …), in this
order. Certificates, keys, lists and secrets are files; they are read again when
they change and on SIGHUP, and no connection ends for it. SIGTERM stops
accepting, lets what is under way come to its end within --drain, and exits 0.`

func init() {
	register(func(s streams) *cobra.Command {
		cmd := &cobra.Command{
			Use: "serve", Short: "Serve as an edge before a real origin, or as a protected origin", Long: serveHelp,
			Args: checked(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				return usage(errors.New("serve: say what: edge or origin; see originpull help serve"))
			},
		}
		cmd.AddCommand(serveEdge(s), serveOrigin(s))
		return cmd
	})
}

// server is what serve runs until it is told to stop.
type server struct {
	name     string // for messages
	listen   string
	serve    func(net.Listener) error
	shutdown func(context.Context) error
	// reload reads the files anew; an error leaves all as it was.
	reload func(context.Context) error
	files  []string
	// refresh looks at what no file says, every refreshEvery; nil = nothing.
	refresh func(context.Context) error
	drain   time.Duration
	metrics string       // an address; "" = none
	handler http.Handler // of metrics
}

const (
	lookEvery    = time.Second // at files
	refreshEvery = 30          // looks
)

// run serves until ctx ends. What it listens on is the first line of output.
func (s *server) run(ctx context.Context, to streams) error {
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return usage(fmt.Errorf("--listen: %w", err))
	}
	stopMetrics, err := s.expose(to)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	hang := make(chan os.Signal, 1)
	signal.Notify(hang, syscall.SIGHUP)
	defer signal.Stop(hang)
	_, _ = fmt.Fprintf(to.out, "%s listens on %s\n", s.name, listener.Addr())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(listener) }()
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(watching, hang, to)
	}()
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintf(to.err, "originpull: %s: draining, for at most %s\n", s.name, s.drain)
	case err = <-ended:
		ended <- err
	}
	stop()
	<-watched
	draining, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	err = errors.Join(s.shutdown(draining), <-ended, stopMetrics(draining))
	if err != nil {
		return failed(err)
	}
	return nil
}

// expose serves the metrics.
func (s *server) expose(to streams) (stop func(context.Context) error, err error) {
	if s.metrics == "" {
		return func(context.Context) error { return nil }, nil
	}
	listener, err := net.Listen("tcp", s.metrics)
	if err != nil {
		return nil, usage(fmt.Errorf("--metrics: %w", err))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.handler)
	exposed := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	_, _ = fmt.Fprintf(to.out, "metrics on http://%s/metrics\n", listener.Addr())
	ended := make(chan error, 1)
	go func() { ended <- exposed.Serve(listener) }()
	return func(ctx context.Context) error {
		err := exposed.Shutdown(ctx)
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, fmt.Errorf("metrics: %w", served))
		}
		return err
	}, nil
}

// watch reloads when a file has changed, and on SIGHUP.
func (s *server) watch(ctx context.Context, hang <-chan os.Signal, to streams) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	seen := fingerprint(s.files)
	for looks := 1; ; looks++ {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-hang:
			seen = fingerprint(s.files)
			err = s.reload(ctx)
		case <-tick.C:
			switch now := fingerprint(s.files); {
			case now != seen:
				seen = now
				err = s.reload(ctx)
			case s.refresh != nil && looks%refreshEvery == 0:
				if err = s.refresh(ctx); err == nil {
					continue
				}
			default:
				continue
			}
		}
		if err != nil {
			_, _ = fmt.Fprintf(to.err, "originpull: %s: not reloaded, all stays as it was: %v\n", s.name, err)
			continue
		}
		_, _ = fmt.Fprintf(to.err, "originpull: %s: reloaded\n", s.name)
	}
}

// fingerprint changes when one of the files does. What a link points to
// counts, so that a mounted secret that is swapped is seen.
func fingerprint(files []string) string {
	var b strings.Builder
	for _, name := range files {
		if found, err := os.Stat(name); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", name, found.Size(), found.ModTime().UnixNano())
		}
	}
	return b.String()
}

// named returns those of the names that are not "".
func named(files ...string) (given []string) {
	for _, name := range files {
		if name != "" {
			given = append(given, name)
		}
	}
	return given
}

// failureLog prints why pulls fail, one a second: an origin that is away fails
// every one of them.
type failureLog struct {
	out io.Writer

	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (l *failureLog) tell(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.last) < time.Second {
		l.skipped++
		return
	}
	more := ""
	if l.skipped > 0 {
		more = fmt.Sprintf(" (and %d more before)", l.skipped)
	}
	l.last, l.skipped = now, 0
	_, _ = fmt.Fprintf(l.out, "originpull: edge: a pull failed%s: %v\n", more, err)
}
