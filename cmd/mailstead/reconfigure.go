package main

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/mailstead/mailstead/admin/config"
)

// errReconfigure ends a run of a node whose configuration has changed.
// Whoever runs it begins another with the new one.
var errReconfigure = errors.New("the configuration has changed")

// reconfigure has the node begin anew with the configuration as it is then.
// It returns at once; requests that are being answered are finished, ports stay
// open, and connections that come meanwhile wait in them.
func (n *node) reconfigure() {
	n.again.tell()
}

// awaitReconfigure is a service that fails when the node is to begin anew.
func (n *node) awaitReconfigure(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.again:
		return errReconfigure
	}
}

// configPlace is where a server has its configuration.
type configPlace struct {
	file string
	data string // in place of the folder that the file names; may be ""
}

func (p configPlace) load() (config.Config, error) { return config.LoadWith(p.file, p.data) }

// lastingListener is one that a run of a node closes and the next uses again.
type lastingListener struct {
	net.Listener
	closed atomic.Bool
}

// deadliner is what listeners of TCP and of Unix sockets are.
type deadliner interface{ SetDeadline(t time.Time) error }

// Accept fails with net.ErrClosed when Close was called.
func (l *lastingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil && l.closed.Load() {
		return nil, net.ErrClosed
	}
	return c, err
}

// Close ends Accept and leaves the port open.
func (l *lastingListener) Close() error {
	l.closed.Store(true)
	return l.Listener.(deadliner).SetDeadline(time.Unix(1, 0))
}

// lasting returns listeners for one run of a node. What the run closes stays
// open in ls. The run before has ended.
func (ls listeners) lasting() (listeners, error) {
	run := listeners{}
	for name, list := range ls {
		for _, l := range list {
			d, ok := l.(deadliner)
			if !ok {
				return nil, errors.New(name + ": the port is not one of a network")
			}
			if err := d.SetDeadline(time.Time{}); err != nil {
				return nil, err
			}
			run[name] = append(run[name], &lastingListener{Listener: l})
		}
	}
	return run, nil
}
