package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/origin"
	"github.com/originpull/originpull/pki"
	"github.com/originpull/originpull/results"
)

// The messages between the coordinator and a worker are JSON, one a line.
// The coordinator writes start, then block, plant, floor or reload any number of
// times, then drain; it asks and waits for the answer, never two at once. The end
// of standard input means exit at once, so that no worker outlives its
// coordinator.

// Message types of the coordinator.
const (
	msgStart  = "start"
	msgBlock  = "block"
	msgPlant  = "plant" // burn what the arm has planted at this end
	msgFloor  = "floor" // measure primitives; to an edge
	msgReload = "reload"
	msgDrain  = "drain"
)

// Message types of a worker.
const (
	msgReady     = "ready"
	msgBlockDone = "block-done"
	msgPlanted   = "planted"
	msgFloorDone = "floor-done"
	msgReloaded  = "reloaded"
	msgSummary   = "summary"
	msgError     = "error"
)

// Command is one line from the coordinator to a worker.
type Command struct {
	Type   string  `json:"type"`
	Start  *Start  `json:"start,omitempty"`
	Block  *Block  `json:"block,omitempty"`
	Plant  *Plant  `json:"plant,omitempty"`
	Reload *Reload `json:"reload,omitempty"`
}

// Start hands a worker its part of the plan. Credentials travel here and
// nowhere else: not in arguments, not in the environment, not in files.
type Start struct {
	Protocol    int             `json:"protocol"`
	Seed        uint64          `json:"seed"`
	Arm         Arm             `json:"arm"`
	Credentials pki.Credentials `json:"credentials"`
	Certificate string          `json:"certificate,omitempty"` // an origin's own, among the credentials; "" is plaintext
	Audit       string          `json:"audit,omitempty"`       // file for an origin's audit log
	QUIC        bool            `json:"quic,omitempty"`        // an origin serves HTTP/3 too, on the UDP port of the same number
	Origin      netip.AddrPort  `json:"origin"`                // where an edge pulls from
	Source      netip.Addr      `json:"source"`                // the address an edge dials from
	Trace       []byte          `json:"trace,omitempty"`       // of the user's own, packed, to an edge
	Include     string          `json:"include,omitempty"`     // directives of the user's own, to a real server
	Far         *Start          `json:"far,omitempty"`         // the origin's part, to a worker that is both ends
	Parts       []Start         `json:"parts,omitempty"`       // to an edge of several origins: what it has towards each
}

// Block grants a worker the machine for a while.
type Block struct {
	Seconds float64 `json:"seconds"`
	Count   int64   `json:"count,omitempty"`   // so many, however long they take; 0: go by Seconds
	Discard bool    `json:"discard,omitempty"` // warm-up: nothing of it is recorded
	Rate    float64 `json:"rate,omitempty"`    // of its arrivals, per second, in place of the arm's; 0: the arm's
	Report  bool    `json:"report,omitempty"`  // the answer has a summary of this block alone
	Again   bool    `json:"again,omitempty"`   // what was recorded so far counts for nothing: the block stands in its place
}

// Plant tells a worker to burn its arm's plant for the CPU that it used since
// the last one.
type Plant struct {
	Spare time.Duration `json:"spare"` // of that CPU, what is not multiplied: the share of plain TCP
}

// Reload changes an origin's policy.
type Reload struct {
	Policy      origin.Policy   `json:"policy"`
	Credentials pki.Credentials `json:"credentials"`
}

// Answer is one line from a worker to the coordinator.
type Answer struct {
	Type      string         `json:"type"`
	Error     string         `json:"error,omitempty"`
	Protocol  int            `json:"protocol,omitempty"`
	Addresses []string       `json:"addresses,omitempty"` // with ready, from an origin
	Done      *BlockDone     `json:"done,omitempty"`
	Floor     *Floor         `json:"floor,omitempty"`
	Edge      *EdgeSummary   `json:"edge,omitempty"`
	Origin    *origin.Counts `json:"origin,omitempty"`
	Links     []LinkSummary  `json:"links,omitempty"` // with the summary of a hop, one for each path
}

// BlockDone is what one block achieved.
type BlockDone struct {
	Count   int64   `json:"count"`   // handshakes or viewer requests
	Failed  int64   `json:"failed"`  // of them
	Seconds float64 `json:"seconds"` // really used
	// Generator is the CPU that the generator spun away, in seconds: no cost of
	// the edge.
	Generator float64 `json:"generator,omitempty"`
	Error     string  `json:"error,omitempty"`
	// Summary is of this block alone, where that was asked for.
	Summary *results.Summary `json:"summary,omitempty"`
	// Late is why the link's time in this block cannot be believed; "" is that it can.
	Late string `json:"late,omitempty"`
}

// EdgeSummary is everything an edge worker recorded.
type EdgeSummary struct {
	Summary results.Summary   `json:"summary"`
	Total   edge.Stats        `json:"total"` // since the start, warm-up included: what reconciles with the origin
	Labels  map[string]string `json:"labels"`
}

// maxLine bounds a message: a summary holds a dozen encoded histograms.
const maxLine = 16 << 20

// lineReader reads JSON lines.
type lineReader struct{ scanner *bufio.Scanner }

func newLineReader(r io.Reader) *lineReader {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &lineReader{scanner: s}
}

// next decodes one line into v; io.EOF at the end.
func (l *lineReader) next(v any) error {
	if !l.scanner.Scan() {
		if err := l.scanner.Err(); err != nil {
			return fmt.Errorf("reading a message: %w", err)
		}
		return io.EOF
	}
	if err := json.Unmarshal(l.scanner.Bytes(), v); err != nil {
		return fmt.Errorf("reading a message: %w", err)
	}
	return nil
}

// writeLine writes v as one JSON line.
func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing a message: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing a message: %w", err)
	}
	return nil
}

// errEnded is how a worker says that its standard input ended.
var errEnded = errors.New("standard input ended")
