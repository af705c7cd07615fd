package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/originpull/originpull/sim"
)

// build is one side's program: this one, a file, or one built from a git ref.
type build struct {
	words  string   // for a person
	worker []string // the command that starts its workers
}

// findBuild resolves what --base or --head names; "" is this program. A ref is
// built in a git worktree of its own beneath folder, which is removed again.
func findBuild(ctx context.Context, side, name, folder string) (build, error) {
	b, err := resolveBuild(ctx, side, name, folder)
	if err != nil {
		return b, fmt.Errorf("--%s %s: %w", side, name, err)
	}
	if err := sim.Probe(ctx, b.worker); err != nil {
		return b, fmt.Errorf("--%s %s: %w", side, name, err)
	}
	return b, nil
}

func resolveBuild(ctx context.Context, side, name, folder string) (build, error) {
	if name == "" {
		self, err := os.Executable()
		if err != nil {
			return build{}, fmt.Errorf("finding this program: %w", err)
		}
		return build{words: "this build", worker: []string{self, "worker"}}, nil
	}
	if stat, err := os.Stat(name); err == nil {
		if !stat.Mode().IsRegular() {
			return build{}, errors.New("it is neither a program nor a git ref")
		}
		file, err := filepath.Abs(name)
		if err != nil {
			return build{}, fmt.Errorf("finding the program: %w", err)
		}
		return build{words: "the program " + filepath.Base(name), worker: []string{file, "worker"}}, nil
	}
	revision, err := git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		return build{}, errors.New("there is no such file, and git knows no such commit here")
	}
	file, err := filepath.Abs(filepath.Join(folder, "originpull-"+side))
	if err != nil {
		return build{}, fmt.Errorf("naming the build: %w", err)
	}
	if err := buildRevision(ctx, revision, file); err != nil {
		return build{}, err
	}
	return build{words: fmt.Sprintf("%s (%.12s)", name, revision), worker: []string{file, "worker"}}, nil
}

// buildRevision builds a commit's cmd/originpull into a file.
func buildRevision(ctx context.Context, revision, file string) (err error) {
	tree, err := os.MkdirTemp("", "originpull-gate-")
	if err != nil {
		return fmt.Errorf("making a folder for its source: %w", err)
	}
	defer func() {
		// Also when interrupted: a worktree that git still lists is in the way.
		_, removeErr := git(context.WithoutCancel(ctx), "worktree", "remove", "--force", tree)
		err = errors.Join(err, removeErr, os.RemoveAll(tree))
	}()
	if _, err := git(ctx, "worktree", "add", "--quiet", "--detach", tree, revision); err != nil {
		return err
	}
	// Valgrind reads DWARF for a quarter of a second at each start; names it takes
	// from the symbols.
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-w", "-o", file, "./cmd/originpull")
	cmd.Dir = tree
	if out, err := cmd.CombinedOutput(); err != nil {
		return &notBuilt{fmt.Errorf("go build of %.12s: %w:\n%s", revision, err, lastLines(out, compilerLines))}
	}
	return nil
}

// notBuilt is a revision that go build refuses: that is no mistake of who asked.
type notBuilt struct{ error }

// compilerLines of what go build says are shown: the first mistakes, and what
// they follow from.
const compilerLines = 20

// git runs git in the working folder and returns what it printed.
func git(ctx context.Context, args ...string) (string, error) {
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, lastLine([]byte(stderr.String())))
	}
	return strings.TrimSpace(string(out)), nil
}

func lastLine(text []byte) string { return lastLines(text, 1) }

func lastLines(text []byte, most int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
