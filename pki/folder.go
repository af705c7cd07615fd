package pki

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The files of a folder. Records are one file each, so that two processes
// which issue and revoke at once lose nothing of each other.
const (
	describedIn = "authority.json"
	issuedIn    = "issued"  // <serial>.pem: every leaf, without its key
	revokedIn   = "revoked" // <serial>.json: {"revoked": time}
	listsIn     = "lists"   // <number>.pem: every revocation list
)

// description says what a folder holds. It is written with the rest before the
// folder gets its name.
type description struct {
	Version       int     `json:"version"`
	Name          string  `json:"name"`
	Key           KeyType `json:"key"`
	Intermediates int     `json:"intermediates"`
	ChainBytes    int     `json:"chainBytes,omitempty"`
}

// folder keeps an authority on disk; the nil folder keeps nothing.
type folder struct{ path string }

// Open loads the authority that dir holds, or makes one as cfg says and keeps
// it there: the folder with mode 0700, keys with 0600. It refuses looser modes
// (except on Windows, which has none), a folder of something else, and a
// stored authority that differs from a field set in cfg; fields left zero
// follow what is stored.
//
// Processes may open one folder at once. A revocation list covers what all of
// them have revoked. A crash leaves no half-written authority.
func Open(dir string, cfg Config) (*Authority, error) {
	exists, err := holdsAuthority(dir)
	if err == nil && !exists {
		err = create(dir, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("authority folder %s: %w", dir, err)
	}
	a, err := load(&folder{dir}, cfg)
	if err != nil {
		return nil, fmt.Errorf("authority folder %s: %w", dir, err)
	}
	return a, nil
}

// holdsAuthority answers false for a folder that is absent or empty.
func holdsAuthority(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := checkMode(dir, 0o700); err != nil {
		return false, err
	}
	if len(entries) == 0 {
		return false, nil
	}
	if _, err := os.Stat(filepath.Join(dir, describedIn)); err != nil {
		return false, fmt.Errorf("it is not empty and holds no %s: choose another folder", describedIn)
	}
	return true, nil
}

// create writes a new authority beside dir and gives it the name dir when it
// is whole. Losing that race to another process is no error.
func create(dir string, cfg Config) error {
	a, err := New(cfg)
	if err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(parent, ".authority-*") // mode 0700
	if err != nil {
		return err
	}
	if err := a.write(draft); err != nil {
		return errors.Join(err, os.RemoveAll(draft))
	}
	if err := rename(draft, dir); err != nil {
		removed := os.RemoveAll(draft)
		if held, _ := holdsAuthority(dir); held {
			return removed
		}
		return errors.Join(err, removed)
	}
	return nil
}

// rename gives draft the name dir, also where dir is an empty folder, which
// Windows does not rename over. os.Remove removes only an empty one.
func rename(draft, dir string) error {
	err := os.Rename(draft, dir)
	if err == nil {
		return nil
	}
	if os.Remove(dir) != nil {
		return err
	}
	return os.Rename(draft, dir)
}

func (a *Authority) write(dir string) error {
	for _, sub := range []string{issuedIn, revokedIn, listsIn} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	for i, s := range a.chain {
		key, err := encodeKey(s.key)
		if err != nil {
			return err
		}
		if err := writeFile(signerFile(dir, i, ".key"), key); err != nil {
			return err
		}
		if err := writeFile(signerFile(dir, i, ".pem"), encodeCertificates(s.cert)); err != nil {
			return err
		}
	}
	text, err := json.Marshal(description{
		Version: 1, Name: a.cfg.Name, Key: a.cfg.Key, Intermediates: a.cfg.Intermediates, ChainBytes: a.cfg.ChainBytes,
	})
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, describedIn), append(text, '\n'))
}

func signerFile(dir string, index int, suffix string) string {
	name := "root"
	if index > 0 {
		name = "intermediate-" + strconv.Itoa(index)
	}
	return filepath.Join(dir, name+suffix)
}

// writeFile writes name with mode 0600 so that it appears whole or not at all.
func writeFile(name string, content []byte) error {
	draft, err := os.CreateTemp(filepath.Dir(name), ".draft-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = draft.Write(content)
	if err == nil {
		err = draft.Sync()
	}
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft.Name()))
	}
	return nil
}

func (f *folder) recordIssued(c *Certificate) error {
	if f == nil {
		return nil
	}
	return writeFile(filepath.Join(f.path, issuedIn, SerialText(c.Leaf)+".pem"), encodeCertificates(c.Leaf))
}

type revocationRecord struct {
	Revoked time.Time `json:"revoked"`
}

func (f *folder) recordRevoked(r revocation) error {
	if f == nil {
		return nil
	}
	text, err := json.Marshal(revocationRecord{r.at})
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(f.path, revokedIn, serialText(r.serial)+".json"), append(text, '\n'))
}

// loadRevoked adds what the folder says is revoked to known.
func (f *folder) loadRevoked(known map[string]revocation) error {
	if f == nil {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(f.path, revokedIn))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		hex, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok {
			continue // a draft
		}
		name := filepath.Join(f.path, revokedIn, entry.Name())
		serial, ok := new(big.Int).SetString(hex, 16)
		if !ok || serial.Sign() <= 0 {
			return fmt.Errorf("%s: the name is no serial number", name)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var record revocationRecord
		if err := json.Unmarshal(text, &record); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		known[string(serial.Bytes())] = revocation{serial: serial, at: record.Revoked}
	}
	return nil
}

// claimNumber returns a list number that no process has used: creating the
// list's file, still empty, is the claim. Nothing is ever removed, so numbers
// only grow.
func (f *folder) claimNumber() (*big.Int, error) {
	for {
		entries, err := os.ReadDir(filepath.Join(f.path, listsIn))
		if err != nil {
			return nil, err
		}
		var highest int64
		for _, entry := range entries {
			text, _ := strings.CutSuffix(entry.Name(), ".pem")
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				highest = max(highest, n)
			}
		}
		number := big.NewInt(highest + 1)
		claim, err := os.OpenFile(f.list(number), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			return number, claim.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

func (f *folder) recordList(number *big.Int, text []byte) error {
	if f == nil {
		return nil
	}
	return writeFile(f.list(number), text)
}

func (f *folder) list(number *big.Int) string {
	return filepath.Join(f.path, listsIn, number.String()+".pem")
}

func serialText(serial *big.Int) string { return fmt.Sprintf("%032x", serial) }
