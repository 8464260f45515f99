package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/movein"
)

// sandboxOpenEnv says what [sandbox] names for the child of
// TestSandboxPrograms: nothing, what the docs say, or that with what is
// elsewhere.
const sandboxOpenEnv = "MAILSTEAD_SANDBOX_TEST_OPEN"

// TestSandboxPrograms: a confined process says what the settings lack for a
// token and a hook, and has both once they name it.
func TestSandboxPrograms(t *testing.T) {
	t.Parallel()
	needLandlock(t)
	const done = "done"
	runsNothing := `the sandbox keeps the server from running programs: write execute = ["/bin/sh"] below [sandbox]`
	notListed := "it is the sandbox: below [sandbox] in mailstead.toml, execute names programs"
	for open, want := range map[string]map[string]string{
		"nothing": {"usual": runsNothing, "elsewhere": runsNothing, "file": "the sandbox keeps the server from reading DIR/other/token: write read = [\"DIR/other\"] below [sandbox]",
			"hook": "permission denied", "missing": runsNothing},
		"shell": {"usual": done, "elsewhere": notListed, "file": "the sandbox keeps the server from reading", "hook": "permission denied", "missing": "not found"},
		"all":   {"usual": done, "elsewhere": done, "file": done, "hook": done, "missing": "not found"},
	} {
		t.Run(open, func(t *testing.T) {
			t.Parallel()
			dir := sandboxFolder(t)
			writeFile(t, filepath.Join(dir, "other", "token"), "secret\n")
			tool := filepath.Join(dir, "tools", "token")
			if err := os.Mkdir(filepath.Dir(tool), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(tool, []byte("#!/bin/sh\necho a-token\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := sandboxChild(t, dir, "TestSandboxProgramsChild")
			cmd.Env = append(cmd.Env, sandboxOpenEnv+"="+open)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("child: %v\n%s", err, out)
			}
			_, b, _ := bytes.Cut(out, []byte("result "))
			b, _, _ = bytes.Cut(b, []byte("\n"))
			var got map[string]string
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for what, w := range want {
				if w = strings.ReplaceAll(w, "DIR", dir); w == done && got[what] != done || !strings.Contains(got[what], w) {
					t.Errorf("%s: %q, want %q", what, got[what], w)
				}
			}
			if strings.Contains(got["missing"], "sandbox") && open != "nothing" {
				t.Errorf("the sandbox is blamed for a program that is not there: %q", got["missing"])
			}
		})
	}
}

// TestSandboxProgramsChild is the process that TestSandboxPrograms starts.
func TestSandboxProgramsChild(t *testing.T) {
	dir, open := os.Getenv(sandboxEnv), os.Getenv(sandboxOpenEnv)
	if dir == "" || open == "" {
		t.Skip("it is run by TestSandboxPrograms")
	}
	c := sandboxConfig(dir)
	tool := filepath.Join(dir, "tools", "token")
	switch open {
	case "shell":
		c.Sandbox.Execute = []string{"/bin/sh"}
	case "all":
		c.Sandbox.Execute, c.Sandbox.Read = []string{"/bin/sh", filepath.Dir(tool)}, []string{filepath.Join(dir, "other")}
	}
	if err := confine(c, "", nil, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	token := func(o movein.IMAPOptions) string { return resultOf(o.CheckToken(context.Background())) }
	b, err := json.Marshal(map[string]string{
		"usual":     token(movein.IMAPOptions{TokenCommand: `echo '{"access_token":"a.b-c"}' | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p'`}),
		"elsewhere": token(movein.IMAPOptions{TokenCommand: tool}),
		"missing":   token(movein.IMAPOptions{TokenCommand: "/usr/bin/there-is-no-such-program"}),
		"file":      token(movein.IMAPOptions{TokenFile: filepath.Join(dir, "other", "token")}),
		"hook":      resultOf(exec.Command(tool, "list", "example.org").Run()), // as a DNS provider of the kind exec
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("result %s\n", b)
}
