package origin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ownerFile is locked for as long as the process lives that made the folder.
const ownerFile = "owner"

// newFolder makes a server's private folder and returns the file that holds it.
// It first removes those of processes that were killed: there are keys in them.
func newFolder(server string) (dir string, owner *os.File, err error) {
	pattern := "originpull-" + server + "-"
	sweep(filepath.Join(os.TempDir(), pattern+"*"))
	if dir, err = os.MkdirTemp("", pattern); err != nil {
		return "", nil, fmt.Errorf("private folder: %w", err)
	}
	if owner, err = hold(dir); err != nil {
		return "", nil, errors.Join(fmt.Errorf("private folder: %w", err), os.RemoveAll(dir))
	}
	return dir, owner, nil
}

// hold makes a folder's owner file. It gets its name once it is locked: without
// one nobody takes the folder for abandoned.
func hold(dir string) (*os.File, error) {
	name := filepath.Join(dir, ownerFile)
	owner, err := os.OpenFile(name+".new", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(lock(owner), os.Rename(name+".new", name)); err != nil {
		return nil, errors.Join(err, owner.Close())
	}
	return owner, nil
}

// sweep removes abandoned folders. One that it cannot remove stays for the next.
func sweep(pattern string) {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return
	}
	for _, dir := range dirs {
		if abandoned(dir) {
			_ = os.RemoveAll(dir)
		}
	}
}
