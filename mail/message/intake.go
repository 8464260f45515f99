package message

import (
	"context"
	"sync/atomic"
)

// What messages on their way in may take together. Clients decide how many
// they begin, how large these are and when they end; the server's memory must
// not depend on that.
const (
	intakeMemory = 16 << 20 // of spools, beyond the first chunk of each
	smallHeader  = 32 << 10 // of a header that is looked at without waiting
	largeHeaders = 8        // larger ones that are looked at at a time
)

// Intake is what the messages share that are on their way in: memory of their
// spools, which go to files when it is used up, and turns for headers that are
// unusually large. Several services may share one.
type Intake struct {
	dir   string
	used  atomic.Int64
	turns chan struct{}
}

// NewIntake returns an Intake whose spools make files in dir; empty means the
// system's folder for such files.
func NewIntake(dir string) *Intake {
	return &Intake{dir: dir, turns: make(chan struct{}, largeHeaders)}
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
	select {
	case in.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	header, _, err = s.header(MaxHeader)
	if err != nil {
		<-in.turns
		return nil, nil, err
	}
	return header, func() { <-in.turns }, nil
}

// take counts memory as used, unless there is no more.
func (in *Intake) take(n int64) bool {
	if in == nil {
		return true
	}
	if in.used.Add(n) > intakeMemory {
		in.used.Add(-n)
		return false
	}
	return true
}

// give gives it back.
func (in *Intake) give(n int64) {
	if in != nil {
		in.used.Add(-n)
	}
}
