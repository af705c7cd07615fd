package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// converse runs a worker over what the coordinator would say and returns its
// answers.
func converse(t *testing.T, role string, commands ...Command) ([]Answer, error) {
	t.Helper()
	var in, out bytes.Buffer
	for _, c := range commands {
		if err := writeLine(&in, c); err != nil {
			t.Fatal(err)
		}
	}
	// The commands are handed over one at a time: the end of the input would
	// interrupt whatever is under way.
	reader, writer := io.Pipe()
	answered := make(chan struct{}, len(commands))
	go func() {
		for line := range bytes.Lines(in.Bytes()) {
			if _, err := writer.Write(line); err != nil {
				return
			}
			<-answered
		}
		_ = writer.Close()
	}()
	err := ServeWorker(t.Context(), role, reader, notifying{&out, answered})
	_ = reader.Close()
	var answers []Answer
	for line := range bytes.Lines(out.Bytes()) {
		var a Answer
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers, err
}

type notifying struct {
	w        io.Writer
	answered chan<- struct{}
}

func (n notifying) Write(b []byte) (int, error) {
	defer func() { n.answered <- struct{}{} }()
	return n.w.Write(b)
}

func TestWorkerRefusesInWords(t *testing.T) {
	arm := compileText(t, handshakeScenario).Experiments[0].Arms[3]
	for _, c := range []struct {
		role    string
		command Command
		want    string
	}{
		{RoleEdge, Command{Type: msgBlock, Block: &Block{}}, `"block" before start`},
		{RoleOrigin, Command{Type: msgDrain}, `"drain" before start`},
		{RoleEdge, Command{Type: msgStart}, "without its content"},
		{RoleEdge, Command{Type: msgStart, Start: &Start{Protocol: ProtocolVersion + 1}}, "use one build for both"},
		{RoleOrigin, Command{Type: msgStart, Start: &Start{Protocol: ProtocolVersion, Arm: arm, Certificate: credOrigin}}, credOrigin},
		{RoleEdge, Command{Type: msgStart, Start: &Start{Protocol: ProtocolVersion, Arm: arm}}, credOrigin},
	} {
		answers, err := converse(t, c.role, c.command)
		if err != nil {
			t.Errorf("%s %s: %v", c.role, c.command.Type, err)
			continue
		}
		if len(answers) != 1 || answers[0].Type != msgError || !strings.Contains(answers[0].Error, c.want) {
			t.Errorf("%s %s: answered %+v, want an error with %q", c.role, c.command.Type, answers, c.want)
		}
	}
	if _, err := converse(t, "judge"); err == nil {
		t.Error("an unknown role was served")
	}
}

// A broken line is the end of a worker, not a command to guess at.
func TestWorkerEndsOnGarbage(t *testing.T) {
	err := ServeWorker(t.Context(), RoleEdge, strings.NewReader("{\n"), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "reading a message") {
		t.Errorf("garbage ended the worker with %v", err)
	}
}

// The end of standard input interrupts a block at once: a worker never
// outlives its coordinator.
func TestWorkerEndsWithItsInput(t *testing.T) {
	plan := compileText(t, handshakeScenario)
	lab, err := newLab()
	if err != nil {
		t.Fatal(err)
	}
	arm := &plan.Experiments[0].Arms[3]
	credentials, err := lab.credentials(arm)
	if err != nil {
		t.Fatal(err)
	}
	server := startOrigin(t, arm, credentials)
	reader, writer := io.Pipe()
	answers, answersIn := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- ServeWorker(context.Background(), RoleEdge, reader, answersIn)
		_ = answersIn.Close()
	}()
	start := Start{Protocol: ProtocolVersion, Arm: *arm, Credentials: credentials.edge, Origin: server, Source: edgeAddress()}
	if err := writeLine(writer, Command{Type: msgStart, Start: &start}); err != nil {
		t.Fatal(err)
	}
	lines := newLineReader(answers)
	var ready Answer
	if err := lines.next(&ready); err != nil || ready.Type != msgReady {
		t.Fatalf("answered %+v, %v", ready, err)
	}
	if err := writeLine(writer, Command{Type: msgBlock, Block: &Block{Seconds: 3600}}); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}
