package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

//go:embed library/*.yaml
var library embed.FS

// LibraryEntry is a scenario that is carried in the binary.
type LibraryEntry struct {
	Name  string // what Read and "run NAME" take
	Title string // its question in one sentence
}

// Library lists the embedded scenarios by name.
func Library() []LibraryEntry {
	var entries []LibraryEntry
	for _, name := range libraryNames() {
		src, err := Read(name)
		if err != nil {
			panic(fmt.Sprintf("scenarios: library: %v", err)) // embedded: a test reads them all
		}
		s, err := Load(src)
		if err != nil {
			panic(fmt.Sprintf("scenarios: library: %v", err))
		}
		entries = append(entries, LibraryEntry{Name: name, Title: s.Title})
	}
	return entries
}

func libraryNames() []string {
	files, err := fs.Glob(library, "library/*.yaml")
	if err != nil {
		panic(fmt.Sprintf("scenarios: library: %v", err))
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(file, "library/"), ".yaml")
	}
	return names
}

// Read returns the library scenario of that name. The error names them all.
func Read(name string) (Source, error) {
	file := "library/" + name + ".yaml"
	content, err := library.ReadFile(file)
	if err != nil {
		return Source{}, fmt.Errorf("library scenario %s; a file is given with its path: ./%s.yaml", choice(name, libraryNames()), show(name))
	}
	return Source{File: file, Content: content}, nil
}

// Open returns the scenario that a command line argument means: a file if it
// ends in .yaml or .yml or has a path separator in it, else a library scenario.
func Open(arg string) (Source, error) {
	isFile := strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml") ||
		strings.Contains(arg, "/") || strings.ContainsRune(arg, os.PathSeparator)
	if !isFile {
		return Read(arg)
	}
	f, err := os.Open(arg)
	if err != nil {
		return Source{}, fmt.Errorf("reading a scenario: %w; the library has %s", err, strings.Join(libraryNames(), ", "))
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1)) // Load refuses the one byte more
	if err := errors.Join(err, f.Close()); err != nil {
		return Source{}, fmt.Errorf("reading a scenario: %w", err)
	}
	return Source{File: arg, Content: content}, nil
}
