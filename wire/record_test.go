package wire

import (
	"slices"
	"testing"
)

func record(kind byte, length int) []byte {
	return append([]byte{kind, 3, 3, byte(length >> 8), byte(length)}, make([]byte, length)...)
}

func TestRecordCutter(t *testing.T) {
	stream := slices.Concat(record(22, 90), record(20, 1), record(23, 0), record(23, 300))
	ends := []int64{95, 101, 106, 411}
	for step := 1; step <= len(stream); step++ {
		var r recordCutter
		var last []int64
		for rest := stream; len(rest) > 0; {
			n := r.cut(rest[:min(step, len(rest))])
			if n < 1 {
				t.Fatalf("step %d: no progress", step)
			}
			rest = rest[n:]
			if !r.partial() {
				last = append(last, r.offset)
			}
		}
		if !slices.Equal(last, ends) {
			t.Errorf("step %d: records end at %v instead of %v", step, last, ends)
		}
		if r.last != ends[2] {
			t.Errorf("step %d: the last record begins at %d", step, r.last)
		}
	}
}

// FuzzRecordCutter feeds a stream in one piece and in bytes: the records must
// be the same, and no byte may be lost or handed out twice.
func FuzzRecordCutter(f *testing.F) {
	f.Add([]byte{})
	f.Add(record(22, 0))
	f.Add(slices.Concat(record(22, 700), record(23, 5), []byte{23, 3, 3}))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte{23, 3, 3, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		var whole, single recordCutter
		for rest := stream; len(rest) > 0; {
			n := whole.cut(rest)
			if n < 1 || n > len(rest) {
				t.Fatalf("cut %d of %d", n, len(rest))
			}
			for i := range n {
				if i > 0 && !single.partial() {
					t.Fatalf("a record ends within what was cut, at %d", single.offset)
				}
				if single.cut(rest[i:i+1]) != 1 {
					t.Fatal("a single byte was not taken")
				}
			}
			rest = rest[n:]
			if whole != single {
				t.Fatalf("in one piece %+v, in bytes %+v", whole, single)
			}
		}
		if whole.offset != int64(len(stream)) {
			t.Fatalf("%d bytes handed out of %d", whole.offset, len(stream))
		}
	})
}
