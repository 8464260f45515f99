// Command mailstead is a complete mail server: run `mailstead try` to see it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	_ "golang.org/x/crypto/x509roots/fallback" // where the system has no roots, as in an image with nothing else
)

// Exit statuses (a contract).
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is an error of whoever typed the command.
type usageError string

func (e usageError) Error() string { return string(e) }

// cli is the command line.
type cli struct {
	Try    tryCmd    `cmd:"" help:"Run everything on this computer only: no root, no network, no DNS."`
	Setup  setupCmd  `cmd:"" help:"First run on a real host: checks, then the link to the wizard."`
	Serve  serveCmd  `cmd:"" help:"Run the server in the foreground."`
	Config configCmd `cmd:"" help:"Explain or check the configuration file."`
	cliCommands
	Upgrade    upgradeCmd    `cmd:"" help:"Change to another version, and back."`
	Completion completionCmd `cmd:"" help:"Print completion of commands and flags for your shell."`
	Manual     manualCmd     `cmd:"" hidden:"" help:"Write the manual pages, or the references of docs/."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its world handed in.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	exit := -1
	parser, err := newParser(&c, kong.Writers(stdout, stderr), kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(streams{stdout, stderr}))
	if err != nil {
		fmt.Fprintln(stderr, "mailstead:", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		fmt.Fprintln(stderr, "mailstead:", err, "(--help says how)")
		return exitUsage
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(stderr, "mailstead:", err)
		var usage usageError
		if errors.As(err, &usage) {
			return exitUsage
		}
		return exitFailed
	}
	return exitDone
}

// streams are where commands write.
type streams struct{ out, err io.Writer }
