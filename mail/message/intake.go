package message

import (
	"context"
	"sync/atomic"

	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/mail/turns"
)

// What messages on their way in may take together. Clients decide how many
// they begin, how large these are and when they end; the server's memory must
// not depend on that.
const (
	intakeMemory = 16 << 20 // of spools, beyond the first chunk of each
	smallHeader  = 32 << 10 // of a header that is looked at without waiting
	largeHeader  = 2 << 20  // of that memory lets a larger one be looked at
	smallMessage = 64 << 10 // that is stored without waiting
	largeMessage = 1 << 20  // of that memory lets a larger one be stored
)

// Intake is what the messages share that are on their way in: memory of their
// spools, which go to files when it is used up, and turns for headers that are
// unusually large, and for storing large messages. Looking at a message may
// wait for the DNS of others and storing it does not, hence two kinds of turns.
// Several services may share an Intake.
type Intake struct {
	dir     string
	memory  atomic.Int64 // that spools may have
	disk    *disk.Guard
	used    atomic.Int64
	headers *turns.Turns
	stores  *turns.Turns
}

// NewIntake returns an Intake whose spools make files in dir; empty means the
// system's folder for such files.
func NewIntake(dir string) *Intake {
	in := &Intake{dir: dir, headers: turns.New(0), stores: turns.New(0)}
	in.Limit(intakeMemory)
	return in
}

// Limit changes how many octets the spools may have in memory; 16 MiB before.
// How many large headers are looked at and large messages are stored at a time
// follows from it: all together takes up to three times as much.
func (in *Intake) Limit(memory int64) {
	in.memory.Store(memory)
	in.headers.Limit(int(max(1, memory/largeHeader)))
	in.stores.Limit(int(max(2, memory/largeMessage)))
}

// Used is how many octets the spools have in memory, beyond the first chunk of
// each.
func (in *Intake) Used() int64 { return in.used.Load() }

// Guarded has files written only while there is room for mail, and returns in.
func (in *Intake) Guarded(g *disk.Guard) *Intake {
	in.disk = g
	return in
}

// NewSpool returns an empty Spool for one message.
func (in *Intake) NewSpool() *Spool { return &Spool{dir: in.dir, intake: in} }

// Header returns the header of a spooled message, with the empty line after it,
// cut at [MaxHeader]. Whoever is done with it and what was made of it calls
// done. A large header waits for its turn.
func (in *Intake) Header(ctx context.Context, s *Spool) (header []byte, done func(), err error) {
	header, whole, err := s.header(smallHeader)
	if err != nil || whole {
		return header, func() {}, err
	}
	if done, err = turn(ctx, in.headers); err != nil {
		return nil, nil, err
	}
	if header, _, err = s.header(MaxHeader); err != nil {
		done()
		return nil, nil, err
	}
	return header, done, nil
}

// Store waits for the turn of a message of size octets to be stored. Whoever
// has stored it calls done.
func (in *Intake) Store(ctx context.Context, size int64) (done func(), err error) {
	if size <= smallMessage {
		return func() {}, nil
	}
	return turn(ctx, in.stores)
}

// turn waits until there is room among turns.
func turn(ctx context.Context, of *turns.Turns) (done func(), err error) {
	if err := of.Take(ctx); err != nil {
		return nil, err
	}
	return of.Give, nil
}

// take counts memory as used, unless there is no more.
func (in *Intake) take(n int64) bool {
	if in == nil {
		return true
	}
	if in.used.Add(n) > in.memory.Load() {
		in.used.Add(-n)
		return false
	}
	return true
}

// onDisk takes room of the disk for n octets of a file.
func (in *Intake) onDisk(n int64) error {
	if in == nil {
		return nil
	}
	return in.disk.Check(disk.Mail, n)
}

// give gives it back.
func (in *Intake) give(n int64) {
	if in != nil {
		in.used.Add(-n)
	}
}
