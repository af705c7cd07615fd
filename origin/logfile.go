package origin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// logFile is how far a log that another process writes has been read.
type logFile struct {
	offset int64
	part   []byte // of a line whose end is not written yet
	lines  int
}

// follow hands the whole lines by which the file grew to take. A file that is
// not there yet has none. Errors begin with the file's name.
func (f *logFile) follow(path string, take func(line []byte) error) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	grown, err := io.ReadAll(io.NewSectionReader(file, f.offset, 1<<62-f.offset))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f.offset += int64(len(grown))
	f.part = append(f.part, grown...)
	for {
		line, rest, whole := bytes.Cut(f.part, []byte("\n"))
		if !whole {
			return nil
		}
		f.part = rest
		f.lines++
		if err := take(line); err != nil {
			return fmt.Errorf("%s, line %d: %w", path, f.lines, err)
		}
	}
}
