package movein

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of what gives a token.
const (
	tokenTimeout = time.Minute
	maxToken     = 16 << 10
)

// shell runs a TokenCommand; cannotRun is how it ends if it may not run a
// program (POSIX, XCU section 2.8.2).
const (
	shell     = "/bin/sh"
	cannotRun = 126
)

// CheckToken asks once for the token that a file or a program gives, if that is
// how the account is opened: what stands in the way is said before anything is
// changed.
func (o *IMAPOptions) CheckToken(ctx context.Context) error {
	if o.TokenFile == "" && o.TokenCommand == "" {
		return nil
	}
	if _, err := o.token(ctx); err != nil {
		return fmt.Errorf("no token: %w", err)
	}
	return nil
}

// token returns the token as it is now: it may be renewed between two logins.
func (o *IMAPOptions) token(ctx context.Context) (string, error) {
	var b []byte
	var err error
	switch {
	case o.Token != "":
		return o.Token, nil
	case o.TokenFile != "":
		b, err = readToken(o.TokenFile)
	default:
		b, err = runToken(ctx, o.TokenCommand)
	}
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if token == "" || len(token) > maxToken || strings.ContainsAny(token, "\r\n\x01") {
		return "", errors.New("what the file or program gives is not one line with a token")
	}
	return token, nil
}

// readToken reads a token from a file.
func readToken(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if bySandbox(err, name, unix.R_OK) {
		folder := filepath.Dir(name) // whoever renews a token may put a new file there
		if folder == "/" {
			folder = name
		}
		return nil, fmt.Errorf("the sandbox keeps the server from reading %s: write read = [%q] below [sandbox] in mailstead.toml, with what is there already, and restart the server", name, folder)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("the user of the server may not read it: %w", err)
	}
	return b, err
}

// runToken runs a program that prints a token.
func runToken(ctx context.Context, command string) ([]byte, error) {
	run, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	cmd := exec.CommandContext(run, shell, "-c", command)
	cmd.WaitDelay = time.Second
	b, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return b, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case run.Err() != nil:
		return nil, fmt.Errorf("the program has given none within %v", tokenTimeout)
	case bySandbox(err, shell, unix.X_OK):
		return nil, fmt.Errorf("the sandbox keeps the server from running programs: write execute = [%q] below [sandbox] in mailstead.toml, with what is there already and "+
			"with the folder of the program if that is not below /usr, /bin or /sbin, and restart the server", shell)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s here to run the program; let something else renew the token in a file, and name that file instead", shell)
	case errors.As(err, &exit):
		return nil, failedProgram(exit)
	}
	return nil, err
}

// failedProgram says what a program has said, and what may have stood in its
// way: it is in the same sandbox as the server.
func failedProgram(exit *exec.ExitError) error {
	said := strings.Join(strings.Fields(string(exit.Stderr)), " ")
	err := fmt.Errorf("the program fails (%v): %s", exit, printable(said))
	if exit.ExitCode() != cannotRun && !strings.Contains(strings.ToLower(said), "permission denied") {
		return err
	}
	return fmt.Errorf("%w; if its user may do that, it is the sandbox: below [sandbox] in mailstead.toml, execute names programs, or their folders, that are not below /usr, /bin or /sbin, "+
		"and read what else they read; then restart the server", err)
}

// bySandbox reports whether something was denied that the rights of the file
// allow: access(2) asks for those, and not for what Landlock allows.
func bySandbox(err error, name string, mode uint32) bool {
	return errors.Is(err, fs.ErrPermission) && unix.Access(name, mode) == nil
}
