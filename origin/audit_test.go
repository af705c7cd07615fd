package origin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func fullEntry() Entry {
	return Entry{
		Time: time.Date(2026, 11, 22, 1, 2, 3, 4000, time.UTC), Peer: netip.MustParseAddrPort("127.0.9.1:4711"),
		Serial: "0a", SAN: "spiffe://lab/edge,edge.test", TLS: "1.3", Group: "x25519", Resumed: true,
		Verdict: Refused, Stage: StageHTTP, Proof: "secret", Reason: "header is absent",
		SNI: "secret.test", Host: "Secret.test", Path: "/o/<\"k\\\n\x00ü\xff", Method: "GET", Status: 403,
	}
}

func line(e Entry) string { return string(appendEntry(nil, &e)) }

func TestEntryIsWrittenAsEncodingJSONWould(t *testing.T) {
	for _, e := range []Entry{fullEntry(), {Verdict: Allowed, Stage: StageHTTP}, {Verdict: Refused, Peer: netip.MustParseAddrPort(`[fe80::1%"]:1`)}} {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var want, got Entry
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(line(e)), &got); err != nil || got != want {
			t.Errorf("%s reads as %+v, %v\nwant %+v", line(e), got, err, want)
		}
		if strings.Count(line(e), "\n") != 1 {
			t.Errorf("%q is not one line", line(e))
		}
	}
}

func TestFieldsAreBounded(t *testing.T) {
	e := Entry{Verdict: Refused, Host: strings.Repeat("ü", maxField)}
	entries, err := ReadAudit(strings.NewReader(line(e)))
	if err != nil || entries[0].Host != strings.Repeat("ü", maxField/2) {
		t.Errorf("%v, %d bytes", err, len(entries[0].Host))
	}
}

func TestReadAuditNamesTheLine(t *testing.T) {
	good := line(Entry{Verdict: Allowed})
	for text, want := range map[string]string{
		"":                               "",
		good + good:                      "",
		good + "luck\n":                  "audit line 2: not an entry",
		good + good[:10]:                 "audit line 2 is cut off",
		strings.TrimSpace(good):          "audit line 1 is cut off",
		"{}\n":                           `audit line 1: not an entry: unknown verdict ""`,
		"\n":                             "audit line 1: not an entry",
		strings.TrimSpace(good) + good:   "audit line 1: not an entry: more than one value",
		strings.Repeat(" ", maxLine+100): "audit line 1 is longer than",
	} {
		_, err := ReadAudit(strings.NewReader(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

// FuzzReadAudit: what is read is written back as it was read.
func FuzzReadAudit(f *testing.F) {
	f.Add([]byte(line(fullEntry())))
	f.Add([]byte(line(Entry{Verdict: Allowed, Stage: StageHTTP}) + line(Entry{Verdict: Refused, Stage: StageTCP, Proof: "address"})))
	f.Add([]byte(`{"time":"2026-11-22T01:02:03Z","peer":"[fe80::1%eth0]:1","verdict":"allowed","host":"\ud800"}` + "\n"))
	f.Add([]byte("{\"verdict\":\"refused\"}\n{\"verdict\":"))
	f.Add([]byte("luck"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, _ := ReadAudit(bytes.NewReader(text))
		var written []byte
		for i := range entries {
			if year := entries[i].Time.UTC().Year(); year < 1 || year > 9999 {
				return // RFC 3339 has no such year
			}
			written = appendEntry(written, &entries[i])
		}
		again, err := ReadAudit(bytes.NewReader(written))
		if err != nil || len(again) != len(entries) {
			t.Fatalf("%q was written as %q: %v", text, written, err)
		}
		var rewritten []byte
		for i := range again {
			rewritten = appendEntry(rewritten, &again[i])
		}
		if !bytes.Equal(written, rewritten) {
			t.Fatalf("%q was rewritten as %q", written, rewritten)
		}
	})
}

func TestJournalFollowsAGrowingFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		journal := OpenJournal(path)
		peer := netip.MustParseAddrPort("127.0.9.1:4711")
		mapped := netip.MustParseAddrPort("[::ffff:127.0.9.1]:4711")
		found := make(chan Entry)
		await := func(ctx context.Context) {
			e, err := journal.Await(ctx, mapped)
			if err != nil {
				t.Errorf("await: %v", err)
			}
			found <- e
		}
		go await(t.Context())
		time.Sleep(time.Second) // virtual: there is no file yet
		write := func(text string) {
			file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			_, err = file.WriteString(text)
			if err := errors.Join(err, file.Close()); err != nil {
				t.Fatal(err)
			}
		}
		first := line(Entry{Peer: peer, Verdict: Allowed, Reason: "first"})
		write(line(Entry{Peer: netip.MustParseAddrPort("127.0.9.1:1"), Verdict: Refused}) + first[:20])
		time.Sleep(time.Second) // half a line is no entry
		select {
		case e := <-found:
			t.Fatalf("found %+v in half a line", e)
		default:
		}
		write(first[20:])
		if e := <-found; e.Reason != "first" {
			t.Errorf("%+v", e)
		}
		write(line(Entry{Peer: peer, Verdict: Refused, Reason: "second"}) + line(Entry{Peer: peer, Verdict: Refused, Reason: "third"}))
		go await(t.Context())
		if e := <-found; e.Reason != "third" {
			t.Errorf("%+v, want the last", e)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := journal.Await(ctx, netip.MustParseAddrPort("127.0.9.2:1"))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no entry of 127.0.9.2:1") {
			t.Errorf("%v", err)
		}
		write("luck\n")
		if _, err := journal.Await(t.Context(), peer); err == nil || !strings.Contains(err.Error(), "line 5: not an entry") {
			t.Errorf("%v", err)
		}
	})
}
