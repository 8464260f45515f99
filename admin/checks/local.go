package checks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/mailstead/mailstead/mail/disk"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// dialName connects to a name by our own resolver.
func (s *Server) dialName(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	addrs, _, err := s.Resolver.A(ctx, host)
	if err != nil {
		return nil, err
	}
	err = errors.New("no address")
	for _, a := range slices.Backward(addrs) { // v4 first
		var conn net.Conn
		if conn, err = s.Dial(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// Disk is the room on a disk.
type Disk struct {
	Total, Free        int64 // octets
	Inodes, InodesFree int64 // 0: the file system has no such limit
}

func (s *Server) diskCheck() Check {
	return Check{ID: "disk", Group: Host, Title: "Disk space", Want: "10 % and 1 GiB free, of a small disk a quarter",
		Why: "As it fills, what can wait stops first, and then mail is refused for the time being, before the disk is full.", Every: 15 * time.Minute,
		Run: func(context.Context) Finding {
			d, err := s.Disk(s.DataDir)
			if err != nil || d.Total == 0 {
				return unknown("the disk gave no answer")
			}
			saw := fmt.Sprintf("%s of %s are free", size(d.Free), size(d.Total))
			const fix = "Make room, or give the disk more: remove old mail, or move the data folder."
			stage := s.stage(d)
			switch {
			case stage >= disk.Lower:
				return Fail.because("%s. %s", saw, stage.Says()).fix("%s", stage.Fix()).link("/admin/system/storage")
			case stage == disk.Low:
				return Warn.because("%s. %s", saw, stage.Says()).fix("%s", stage.Fix()).link("/admin/system/storage")
			case d.Free < d.Total/50:
				return Fail.because("%s", saw).fix(fix)
			case d.Free < d.Total/10 || d.Free < min(1<<30, d.Total/4):
				return Warn.because("%s", saw).fix(fix)
			}
			return ok("%s", saw)
		}}
}

// stage is what the running server says; without one it is as of now.
func (s *Server) stage(d Disk) disk.Stage {
	if s.Guard == nil {
		return disk.StageOf(disk.Room{Free: d.Free, Total: d.Total})
	}
	return s.Guard.Stage()
}

func (s *Server) inodesCheck() Check {
	return Check{ID: "inodes", Group: Host, Title: "Files on the disk", Want: "5 % free", Why: "Without free inodes no new file can be made, however much room there is.",
		Run: func(context.Context) Finding {
			d, err := s.Disk(s.DataDir)
			switch {
			case err != nil:
				return unknown("the disk gave no answer")
			case d.Inodes == 0:
				return ok("the file system has no limit")
			case d.InodesFree < d.Inodes/100:
				return Fail.because("%d of %d are free", d.InodesFree, d.Inodes).fix("Remove small files that nobody needs.")
			case d.InodesFree < d.Inodes/20:
				return Warn.because("%d of %d are free", d.InodesFree, d.Inodes).fix("Remove small files that nobody needs.")
			}
			return ok("%d of %d are free", d.InodesFree, d.Inodes)
		}}
}

func size(n int64) string {
	const unit = 1 << 10
	v, i := float64(n), 0
	for v >= unit && i < 4 {
		v, i = v/unit, i+1
	}
	return strconv.FormatFloat(v, 'f', min(i, 1), 64) + " " + [...]string{"B", "KiB", "MiB", "GiB", "TiB"}[i]
}

// Ages of the oldest message in the queue.
const (
	queueWarn = 4 * hour
	queueFail = 2 * day
)

func (s *Server) queueCheck() Check {
	return Check{ID: "queue", Group: Mail, Title: "Queue", Want: "no message waits for hours", Why: "Mail that waits for days goes back to its sender.", Every: 5 * time.Minute,
		Run: func(ctx context.Context) Finding {
			n, oldest, err := s.Queue(ctx)
			if err != nil {
				return unknown("the queue could not be read")
			}
			age := s.now().Sub(oldest)
			saw := fmt.Sprintf("%d waiting, the oldest for %s", n, duration(age))
			const fix = "The queue page groups what waits by its cause."
			switch {
			case n == 0:
				return ok("empty")
			case age > queueFail:
				return Fail.because("%s", saw).fix(fix).link("/admin/mail/queue")
			case age > queueWarn:
				return Warn.because("%s", saw).fix(fix).link("/admin/mail/queue")
			}
			return ok("%s", saw)
		}}
}

func duration(d time.Duration) string {
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", int(d/day))
	case d >= 2*hour:
		return fmt.Sprintf("%d hours", int(d/hour))
	}
	return fmt.Sprintf("%d minutes", int(d/time.Minute))
}

func (s *Server) errorsCheck() Check {
	return Check{ID: "errors", Group: Host, Title: "Errors in the log", Want: "none in 24 hours", Why: "An error in the log is something that an operator has to look at.", Every: 5 * time.Minute,
		Run: func(context.Context) Finding {
			n, last, at := s.LastErrors()
			if n == 0 {
				return ok("none in 24 hours")
			}
			return Warn.because("%s in 24 hours, the last at %s: %s", things(n, "error", "errors"), at.UTC().Format("15:04 UTC"), last).
				fix("Look at the log of the server, such as with journalctl -u mailstead -p err.")
		}}
}
