package scenarios

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
)

//go:embed traces/*.trace.gz
var traceFiles embed.FS

// traceLengths registers the traces with the number of their requests.
var traceLengths = map[string]int{"web07": 76118, "web12": 95607}

// Traces returns the names of the embedded request traces.
func Traces() []string { return slices.Sorted(maps.Keys(traceLengths)) }

// TraceKeys returns the object keys of a trace in the order of its requests.
// The error says that the trace is unknown or damaged.
func TraceKeys(name string) ([]uint32, error) {
	length, known := traceLengths[name]
	if !known {
		return nil, fmt.Errorf("trace %s", choice(name, Traces()))
	}
	packed, err := traceFiles.ReadFile("traces/" + name + ".trace.gz")
	if err != nil {
		return nil, fmt.Errorf("trace %s: %w", name, err)
	}
	keys, err := decodeTrace(packed, length)
	if err != nil {
		return nil, fmt.Errorf("trace %s: %w", name, err)
	}
	return keys, nil
}

// decodeTrace reads exactly length big-endian uint32 keys.
func decodeTrace(packed []byte, length int) ([]uint32, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(r, int64(4*length)+1))
	if err != nil {
		return nil, err
	}
	if len(content) != 4*length {
		return nil, fmt.Errorf("%d keys of 4 bytes are expected, but it holds %d bytes or more", length, len(content))
	}
	keys := make([]uint32, length)
	for i := range keys {
		keys[i] = binary.BigEndian.Uint32(content[4*i:])
	}
	return keys, nil
}
