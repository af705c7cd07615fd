package pki

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustOpen(t *testing.T, dir string, cfg Config) *Authority {
	t.Helper()
	a, err := Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOpenMakesThenLoads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "lab")
	first := mustOpen(t, dir, Config{Name: "shop", Intermediates: 2})
	taken := mustIssue(t, first, requestFor(ClientAuth, NoFlaw))
	if err := first.Revoke(taken); err != nil {
		t.Fatal(err)
	}
	mustList(t, first)

	second := mustOpen(t, dir, Config{})
	if second.Name() != "shop" || !bytes.Equal(second.Roots(), first.Roots()) || len(second.chain) != 3 {
		t.Error("the loaded authority is another one")
	}
	if err := verify(t, first, mustIssue(t, second, requestFor(ServerAuth, NoFlaw)), ServerAuth); err != nil {
		t.Error(err)
	}
	if !parseList(t, second).Contains(taken.Leaf) {
		t.Error("the revocation is forgotten")
	}
	record, err := os.ReadFile(filepath.Join(dir, issuedIn, SerialText(taken.Leaf)+".pem"))
	if err != nil || !bytes.Equal(record, encodeCertificates(taken.Leaf)) {
		t.Errorf("record of the issued leaf: error %v", err)
	}
	lists, _, err := splitBundle(mustList(t, second))
	if err != nil || lists[0].Number.Int64() != 3 {
		t.Errorf("third list: number %v, error %v", lists[0].Number, err)
	}
}

// Two processes share a folder: a list of either names what both revoked.
func TestOpenTwice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	one, two := mustOpen(t, dir, Config{}), mustOpen(t, dir, Config{})
	taken := mustIssue(t, one, requestFor(ClientAuth, NoFlaw))
	if err := one.Revoke(taken); err != nil {
		t.Fatal(err)
	}
	if !parseList(t, two).Contains(taken.Leaf) {
		t.Error("the other process's list does not name the leaf")
	}
}

func TestOpenAtOnceMakesOneAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	opened := make([]*Authority, 8)
	var group sync.WaitGroup
	for i := range opened {
		group.Go(func() {
			a, err := Open(dir, Config{})
			if err != nil {
				t.Error(err)
				return
			}
			opened[i] = a
			if _, err := a.RevocationList(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, a := range opened {
		if a == nil || !bytes.Equal(a.Roots(), opened[0].Roots()) {
			t.Fatal("several authorities in one folder")
		}
	}
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(left) != 1 {
		t.Errorf("%d entries beside the folder, error %v; want only the folder", len(left)-1, err)
	}
	lists, err := os.ReadDir(filepath.Join(dir, listsIn))
	if err != nil || len(lists) != len(opened) {
		t.Errorf("%d lists, error %v; want %d with numbers of their own", len(lists), err, len(opened))
	}
}

func TestFolderModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := filepath.Join(t.TempDir(), "lab")
	a := mustOpen(t, dir, Config{Intermediates: 1})
	if err := a.Revoke(mustIssue(t, a, requestFor(ClientAuth, NoFlaw))); err != nil {
		t.Fatal(err)
	}
	mustList(t, a)
	files := 0
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		found, err := entry.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		}
		if found.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", name, found.Mode().Perm(), want)
		}
		if strings.HasPrefix(entry.Name(), ".") {
			t.Errorf("%s: a draft was left", name)
		}
		files++
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, error %v", files, err)
	}
	for name, modes := range map[string][2]os.FileMode{
		dir:                                      {0o750, 0o700},
		filepath.Join(dir, "root.key"):           {0o644, 0o600},
		filepath.Join(dir, "intermediate-1.key"): {0o604, 0o600},
	} {
		setMode(t, name, modes[0])
		if _, err := Open(dir, Config{}); err == nil || !strings.Contains(err.Error(), "lets others use the keys: run chmod") {
			t.Errorf("%s with mode %04o: error %v", name, modes[0], err)
		}
		setMode(t, name, modes[1])
		mustOpen(t, dir, Config{})
	}
}

func setMode(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func TestOpenEmptyFolder(t *testing.T) {
	dir := t.TempDir()
	setMode(t, dir, 0o755)
	if runtime.GOOS != "windows" {
		if _, err := Open(dir, Config{}); err == nil {
			t.Error("a folder that others can read was accepted")
		}
	}
	setMode(t, dir, 0o700)
	mustOpen(t, dir, Config{})
	mustOpen(t, dir, Config{})
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		cfg        Config
		spoil      func(dir string) error
	}{
		{"other name", `holds the authority "originpull lab", not "x"`, Config{Name: "x"}, nil},
		{"other length", "with 1 intermediates, not 2", Config{Intermediates: 2}, nil},
		{"other key", `ecdsa-p256 keys, not rsa`, Config{Key: "rsa"}, nil},
		{"other size", "padded to 0 bytes, not 4096", Config{ChainBytes: 4096}, nil},
		{"something else", "is not empty and holds no authority.json", Config{}, remove("authority.json")},
		{"description broken", "authority.json", Config{}, write("authority.json", "{")},
		{"newer version", "version 2 is not known", Config{}, write("authority.json", `{"version":2}`)},
		{"impossible", "99 intermediates", Config{}, write("authority.json", `{"version":1,"name":"originpull lab","key":"ecdsa-p256","intermediates":99}`)},
		{"key missing", "intermediate-1.key", Config{}, remove("intermediate-1.key")},
		{"key broken", "root.pem", Config{}, write("root.key", "x")},
		{"key of another", "root.pem", Config{}, swap("root.key", "intermediate-1.key")},
		{"another root", "not signed by the authority above it", Config{}, replaceRoot},
		{"record named wrong", "no serial number", Config{}, write("revoked/-1.json", "{}")},
		{"record broken", "revoked", Config{}, write("revoked/01.json", "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "lab")
			mustOpen(t, dir, Config{Intermediates: 1})
			if c.spoil != nil {
				if err := c.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Open(dir, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "lab"), Config{Key: "rsa"}); err == nil {
		t.Error("unknown key type: no error")
	}
}

func remove(name string) func(string) error {
	return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
}

func write(name, text string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
}

func swap(to, from string) func(string) error {
	return func(dir string) error {
		text, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, to), text, 0o600)
	}
}

// replaceRoot puts another authority's root, of the same name, in the place of
// the one that signed the intermediate.
func replaceRoot(dir string) error {
	other, err := New(Config{Intermediates: 1})
	if err != nil {
		return err
	}
	key, err := encodeKey(other.chain[0].key)
	if err != nil {
		return err
	}
	if err := write("root.key", string(key))(dir); err != nil {
		return err
	}
	return write("root.pem", string(other.Roots()))(dir)
}

// A revocation that cannot be recorded must not be believed, and a record that
// cannot be read must not shorten a list.
func TestBrokenRecordsStopLists(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	a := mustOpen(t, dir, Config{})
	taken := mustIssue(t, a, requestFor(ClientAuth, NoFlaw))
	if err := a.Revoke(taken); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join("revoked", SerialText(taken.Leaf)+".json")
	if err := write(record, "")(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := a.RevocationListAt(time.Now()); err == nil {
		t.Error("a list was made from a broken record")
	}
}
