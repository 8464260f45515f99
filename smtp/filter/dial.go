package filter

import (
	"context"
	"net"
	"time"
)

// Dial connects to a program; (*net.Dialer).DialContext is one.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// connect opens a connection that ends with ctx.
func connect(ctx context.Context, dial Dial, network, addr string) (conn net.Conn, done func(), err error) {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err = dial(ctx, network, addr)
	if err != nil {
		return nil, nil, err
	}
	if at, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(at); err != nil {
			conn.Close()
			return nil, nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); conn.Close() }, nil
}
