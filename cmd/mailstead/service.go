package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/mailstead/mailstead/admin/api"
	"github.com/mailstead/mailstead/admin/config"
)

// serviceName is the unit that packages install.
const serviceName = "mailstead.service"

// serviceStart bounds how long the service may take to answer.
const serviceStart = 60 * time.Second

// ofService tells whether this first run is that of the unit of a package: it
// starts the server, as its own user, and setup only asks it.
func (c *setupCmd) ofService() bool {
	if os.Geteuid() != 0 || c.Config != config.Path || c.Data != "" {
		return false
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return false // another init
	}
	out, err := exec.Command("systemctl", "show", "--property=LoadState", serviceName).Output()
	return err == nil && string(bytes.TrimSpace(out)) == "LoadState=loaded"
}

// startService has systemd start the server, now and from now on, and waits
// until it answers.
func startService(ctx context.Context, s streams, socket string) (*api.Client, error) {
	fmt.Fprintln(s.err, "Starting the service (systemctl enable --now "+serviceName+").")
	cmd := exec.CommandContext(ctx, "systemctl", "enable", "--now", "--quiet", serviceName)
	cmd.Stderr = s.err
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("the service did not start; `journalctl -u mailstead` says why: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, serviceStart)
	defer cancel()
	for {
		client, err := api.Dial(ctx, socket, actorName())
		if !errors.Is(err, api.ErrNotRunning) {
			return client, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("the service has started, but does not answer; `journalctl -u mailstead` says more")
		case <-time.After(100 * time.Millisecond):
		}
	}
}
