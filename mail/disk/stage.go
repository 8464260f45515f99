package disk

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Stage is how full the disk is. Later stages are worse.
type Stage int

const (
	Plenty    Stage = iota
	Low             // what can be done without has stopped
	Lower           // imports, exports and restores have stopped
	Full            // no new mail is taken
	Exhausted       // not even rows are written
)

var stageNames = [...]string{"plenty", "low", "lower", "full", "exhausted"}

// String is the name of a stage, for programs.
func (s Stage) String() string { return stageNames[s] }

// Bounds of the reserve if nobody has set it, in octets.
const (
	minReserve   = 4 << 20
	maxReserve   = 128 << 20
	reserveShare = 32 // of the disk
)

// marginShare is the part of the reserve that must be free beyond where a stage
// begins before it ends.
const marginShare = 8

// Room is how much room a disk has, in octets.
type Room struct {
	Free  int64 // for us
	Total int64 // 0: not known
}

// Reserve is what is kept of a disk of this size.
func (r Room) Reserve() int64 {
	if r.Total == 0 {
		return maxReserve
	}
	return min(max(r.Total/reserveShare, minReserve), maxReserve)
}

// begins is how much is free where a stage begins.
func (s Stage) begins(reserve int64) int64 {
	switch s {
	case Low:
		return 4 * reserve
	case Lower:
		return 2 * reserve
	case Full:
		return reserve
	case Exhausted:
		return reserve / 4
	}
	return 0
}

// StageOf is the stage of a disk that nobody guards.
func StageOf(r Room) Stage { return stageOf(r.Free, r.Reserve()) }

// stageOf is the stage of a disk that nobody has looked at before.
func stageOf(free, reserve int64) Stage {
	for s := Exhausted; s > Plenty; s-- {
		if free < s.begins(reserve) {
			return s
		}
	}
	return Plenty
}

// after is the stage of a disk that was in stage s: a better one begins only
// when there is a margin.
func (s Stage) after(free, reserve int64) Stage {
	now := stageOf(free, reserve)
	for better := stageOf(free-reserve/marginShare, reserve); s > now && s > better; {
		s--
	}
	return max(s, now)
}

// Use is what room is asked for.
type Use int

const (
	Spare Use = iota // what can be made anew or done without
	Bulk             // what people put on the disk in bulk: imports, exports, restores
	Mail             // new mail
	Owed             // what follows from accepted mail: delivering it, and reports of it
	Rows             // deleting, moving and marking mail, the books of the queue
)

// uses says in which stage a use has stopped, and how much of the reserve it
// must leave, in quarters.
var uses = [...]struct {
	stopped  Stage
	quarters int64
}{
	Spare: {Low, 16}, Bulk: {Lower, 8}, Mail: {Full, 4}, Owed: {Exhausted, 2}, Rows: {Exhausted, 1},
}

// stops are what has stopped in a stage, for people.
var stops = [...][]string{
	Low:       {"details in the stories of messages", "learning from mail that people sort", "counting for DMARC reports", "remembering new senders", "backups to this disk"},
	Lower:     {"imports", "exports and copies of mailboxes", "restores from a backup", "taking reports of others"},
	Full:      {"taking new mail", "stories of messages", "numbers over time"},
	Exhausted: {"deleting, moving and marking mail"},
}

// Stopped lists what has stopped in a stage, the latest first, in words.
func (s Stage) Stopped() []string {
	list := []string{}
	for ; s > Plenty; s-- {
		list = append(list, stops[s]...)
	}
	return list
}

// Says is what a stage means, in a sentence or two for people; "" for Plenty.
func (s Stage) Says() string {
	switch s {
	case Low:
		return "The disk is getting full: what can be done without has stopped. Mail comes and goes as always."
	case Lower:
		return "The disk is nearly full: imports, exports and restores have stopped. Mail still comes and goes."
	case Full:
		return "The disk is full: new mail is refused for now, and others keep it and try again. Accepted mail is delivered, and mail can be read and deleted."
	case Exhausted:
		return "The disk is full to the end: mail can only be read. Nothing that was accepted is lost."
	}
	return ""
}

// Fix is what to do about a stage, for an operator; "" for Plenty.
func (s Stage) Fix() string {
	switch s {
	case Plenty:
		return ""
	case Exhausted:
		return "Remove what others have put on this disk, or give it more. Everything goes on by itself, without a restart."
	}
	return "Delete mail that nobody needs, remove what others have put on this disk, or give it more. Everything goes on by itself, without a restart."
}

// ErrFull is what every *Error is.
var ErrFull = errors.New("the disk has too little room")

// Error says that there is too little room for a use. Its text is for people.
type Error struct {
	Use   Use
	Stage Stage
	Room  Room
	Large bool // only this: less would have found room
}

// Is makes it ErrFull.
func (e *Error) Is(target error) bool { return target == ErrFull }

func (e *Error) Error() string {
	free := Size(e.Room.Free) + " are free"
	if e.Large {
		return "the disk of the server has too little room for this (" + free + ")"
	}
	return "the disk of the server is too full for this (" + free + "); it works again when there is more room"
}

// Size writes a number of octets for people.
func Size(n int64) string {
	v, unit := float64(n), 0
	for v >= 1024 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	text := strings.TrimSuffix(strconv.FormatFloat(v, 'f', min(unit, 1), 64), ".0")
	return fmt.Sprintf("%s %s", text, [...]string{"B", "KiB", "MiB", "GiB", "TiB"}[unit])
}
