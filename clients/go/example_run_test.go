//go:build integration

package bunkms_test

import (
	"io"
	"os"
	"strings"
	"testing"
)

// TestExamples runs the examples against a server, in their order, and compares what
// they print with the comments at their ends.
func TestExamples(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]func(){
		"ExampleNew":                  ExampleNew,
		"ExampleClient_Encrypt":       ExampleClient_Encrypt,
		"ExampleNewEnvelope":          ExampleNewEnvelope,
		"ExampleClient_NewFileWriter": ExampleClient_NewFileWriter,
		"ExampleClient_Signer":        ExampleClient_Signer,
		"ExampleError":                ExampleError,
	}
	ran := 0
	for _, part := range strings.Split(string(source), "\nfunc ")[1:] {
		name, body, _ := strings.Cut(part, "(")
		run := examples[name]
		if run == nil {
			if strings.HasPrefix(name, "Example") {
				t.Errorf("%s is not run", name)
			}
			continue
		}
		ran++
		if printed, expected := capture(t, run), lastComment(body); printed != expected {
			t.Errorf("%s printed\n%s\nand not\n%s", name, printed, expected)
		}
	}
	if ran != len(examples) {
		t.Errorf("%d examples ran", ran)
	}
}

// lastComment is the comment at the end of a function.
func lastComment(body string) string {
	function, _, _ := strings.Cut(body, "\n}\n")
	lines := strings.Split(function, "\n")
	comment := ""
	for at := len(lines) - 1; at >= 0; at-- {
		line, ok := strings.CutPrefix(lines[at], "\t// ")
		if !ok {
			break
		}
		comment = line + "\n" + comment
	}
	return comment
}

func capture(t *testing.T, run func()) string {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = writer
	defer func() { os.Stdout = stdout }()
	run()
	writer.Close()
	printed, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(printed)
}
