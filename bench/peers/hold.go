package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/originpull/originpull/edge/pool"
	"github.com/originpull/originpull/wire"
)

// hold fills a pool with idle connections and says what they take. Its input
// is what to hold and then one value for every request that has arrived.
func hold(in io.Reader, out io.Writer) error {
	var told holding
	arrivals := json.NewDecoder(in)
	if err := arrivals.Decode(&told); err != nil {
		return fmt.Errorf("reading what to hold: %w", err)
	}
	target, err := holdTarget(told)
	if err != nil {
		return err
	}
	p, err := pool.New(pool.Config{Reuse: true, DialTimeout: heldPatience, HandshakeTimeout: heldPatience, ResponseTimeout: heldPatience})
	if err != nil {
		return err
	}
	before, err := residentAfterCollection()
	if err != nil {
		return err
	}
	if err := fill(p, target, told.Connections, arrivals); err != nil {
		return errors.Join(err, p.Close())
	}
	resident, err := residentAfterCollection()
	if err != nil {
		return errors.Join(err, p.Close())
	}
	answer := held{Open: p.Stats().Open, Before: before, Resident: resident}
	if err := p.Close(); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(answer); err != nil {
		return fmt.Errorf("saying what is held: %w", err)
	}
	return nil
}

func holdTarget(told holding) (*pool.Target, error) {
	roots, err := told.Credentials.Pool("origin")
	if err != nil {
		return nil, err
	}
	certificate, err := told.Credentials.Certificate("edge")
	if err != nil {
		return nil, err
	}
	return &pool.Target{
		Address: told.Origin, ServerName: originHost, Identity: "edge",
		TLS: wire.Profile{Version: "1.3", Group: "x25519"}.Client(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}),
	}, nil
}

// atOnce is how many connections are being made at a time: what thousands of
// handshakes at once leave behind is not what idle connections take.
const atOnce = 32

// fill makes one request on each of n connections.
func fill(p *pool.Pool, target *pool.Target, n int, arrivals *json.Decoder) error {
	var wg sync.WaitGroup
	failures := make(chan error, n)
	var arrived error
	for i := range n {
		if i >= atOnce && arrived == nil {
			var count int
			arrived = arrivals.Decode(&count)
		}
		wg.Go(func() {
			var response pool.Response
			_, err := p.Do(context.Background(), target, &pool.Request{Method: "GET", Host: originHost, Path: "/o/0"}, &response)
			if err == nil && response.Status != 200 {
				err = fmt.Errorf("status %d", response.Status)
			}
			if err != nil {
				failures <- err
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		return fmt.Errorf("%d of %d requests failed, the first: %w", len(failures)+1, n, err)
	}
	return arrived
}

func residentAfterCollection() (int64, error) {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what finalizers and pools held in the first
	return residentOf(os.Getpid())
}

// residentOf reads the resident memory of a process, in bytes.
func residentOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading resident memory: %w", err)
	}
	return parseResident(string(text))
}

func parseResident(status string) (int64, error) {
	for line := range strings.Lines(status) {
		value, found := strings.CutPrefix(line, "VmRSS:")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("malformed %q: %w", line, err)
		}
		return kib << 10, nil
	}
	return 0, errors.New("the kernel says nothing of resident memory")
}
