package origin

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFoldersOfTheDeadAreRemoved: those whose owner is alive stay, and so does
// what is no folder of a server's.
func TestFoldersOfTheDeadAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	mustFolder := func() (string, *os.File) {
		t.Helper()
		dir, owner, err := newFolder("nginx")
		if err != nil {
			t.Fatal(err)
		}
		return dir, owner
	}
	alive, owner := mustFolder()
	dead, killed := mustFolder()
	if err := killed.Close(); err != nil { // as the kernel does
		t.Fatal(err)
	}
	young := filepath.Join(os.TempDir(), "originpull-nginx-young") // it has no owner yet
	file := filepath.Join(os.TempDir(), "originpull-nginx-file")
	for _, err := range []error{os.Mkdir(young, 0o700), os.WriteFile(file, nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	newest, holder := mustFolder()
	for name, want := range map[string]bool{alive: true, dead: false, young: true, file: true, newest: true} {
		if _, err := os.Lstat(name); (err == nil) != want {
			t.Errorf("%s: there is %v, want %v", name, err == nil, want)
		}
	}
	for _, f := range []*os.File{owner, holder} {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
