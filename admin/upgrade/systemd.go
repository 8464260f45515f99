package upgrade

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Systemd is a service of systemd, with the sockets that would start it when a
// client comes: nobody but the upgrade may start it meanwhile, so they are
// stopped before it and started before it.
type Systemd struct {
	Unit string // "mailstead.service"

	sockets []string // that Stop has stopped
}

// Stop implements Control.
func (s *Systemd) Stop(ctx context.Context) error {
	for _, name := range s.all(ctx) {
		if command(ctx, "systemctl", "--quiet", "is-active", name) != nil {
			continue
		}
		if err := command(ctx, "systemctl", "stop", name); err != nil {
			return err
		}
		s.sockets = append(s.sockets, name)
	}
	return command(ctx, "systemctl", "stop", s.Unit)
}

// Start implements Control. A unit that has failed too often starts again.
func (s *Systemd) Start(ctx context.Context) error {
	sockets := s.sockets
	if len(sockets) == 0 { // an upgrade that was interrupted may have left some stopped
		for _, name := range s.all(ctx) {
			if command(ctx, "systemctl", "--quiet", "is-enabled", name) == nil {
				sockets = append(sockets, name)
			}
		}
	}
	command(ctx, "systemctl", append([]string{"reset-failed", s.Unit}, sockets...)...) // fails if there is nothing to reset
	if len(sockets) > 0 {
		if err := command(ctx, "systemctl", append([]string{"start"}, sockets...)...); err != nil {
			return err
		}
	}
	if err := command(ctx, "systemctl", "start", s.Unit); err != nil {
		return fmt.Errorf("%w; `journalctl -u %s -e` says why", err, s.Unit)
	}
	s.sockets = nil
	return nil
}

// all are the sockets that start the service.
func (s *Systemd) all(ctx context.Context) (names []string) {
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property=TriggeredBy", "--value", s.Unit).Output()
	if err != nil {
		return nil
	}
	for _, name := range strings.Fields(string(out)) {
		if strings.HasSuffix(name, ".socket") {
			names = append(names, name)
		}
	}
	return names
}
