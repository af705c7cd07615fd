package pool

import (
	"encoding/binary"
	"reflect"
	"testing"
	"time"
)

// TestFrames reads a connection's bytes in pieces of every size.
func TestFrames(t *testing.T) {
	settings := binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0, 16, 0, 0, settingMaxConcurrent}, 250)
	stream := append([]byte("preface"), h2Frame(frameSettings, 0, 0, settings...)...)
	stream = append(stream, h2Frame(frameSettings, settingsAck, 0)...)
	stream = append(stream, h2Frame(frameHeaders, endBoth, 1<<31|3, 0x88, 0x89)...)
	stream = append(stream, h2Frame(0, 1, 3, make([]byte, 300)...)...)
	stream = append(stream, h2Frame(frameReset, 0, 5, 0, 0, 0, codeRefused)...)
	want := []frame{
		{kind: frameSettings, payload: settings},
		{kind: frameSettings, flags: settingsAck},
		{kind: frameHeaders, flags: endBoth, stream: 3},
		{kind: 0, flags: 1, stream: 3},
		{kind: frameReset, stream: 5, payload: []byte{0, 0, 0, codeRefused}},
	}
	for size := 1; size <= len(stream); size++ {
		in := frames{skip: len("preface")}
		var got []frame
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			in.scan(rest[:n], time.Time{}, func(f frame) {
				if f.payload = append([]byte(nil), f.payload...); f.kind == frameSettings && f.flags == 0 {
					if limit, found := f.maxConcurrent(); limit != 250 || !found {
						t.Errorf("limit %d, %v", limit, found)
					}
				}
				got = append(got, f)
			})
			rest = rest[n:]
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("in pieces of %d: %+v", size, got)
		}
	}
}

// FuzzFrames: whatever comes, however it is cut, the same frames are seen.
func FuzzFrames(f *testing.F) {
	f.Add(h2Frame(frameSettings, 0, 0, 0, 3, 0, 0, 0, 1), 3)
	f.Add(h2Frame(frameGoAway, 0, 0, 1), 1)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), 5)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 {
			return
		}
		scan := func(size int) (seen []frame) {
			var in frames
			for rest := text; len(rest) > 0; {
				n := min(size, len(rest))
				in.scan(rest[:n], time.Time{}, func(f frame) {
					if len(f.payload) > maxFrameKept {
						t.Errorf("%d bytes kept", len(f.payload))
					}
					f.maxConcurrent()
					f.word(0)
					f.payload = append([]byte(nil), f.payload...)
					seen = append(seen, f)
				})
				rest = rest[n:]
			}
			return seen
		}
		if whole, cut := scan(len(text)+1), scan(size); !reflect.DeepEqual(whole, cut) {
			t.Errorf("%+v in one piece, %+v in pieces of %d", whole, cut, size)
		}
	})
}
