package admin

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/metrics"
	"github.com/mailstead/mailstead/mailbox"
)

// Bounds of a look at the disk.
const (
	storageEvery   = 5 * time.Minute // no more often
	largestMost    = 100             // accounts that are named
	forecastSpan   = 30 * 24 * time.Hour
	forecastStep   = 6 * time.Hour
	forecastLeast  = 3 * 24 * time.Hour // of numbers, to say anything
	forecastBeyond = 10 * 365 * 24 * time.Hour
)

// DiskUse is how full the disk of the data is.
type DiskUse struct {
	Stage   string    `json:"stage" enum:"plenty,low,lower,full,exhausted" doc:"How full it is, from plenty of room to none at all."`
	Says    string    `json:"says,omitempty" doc:"What that means, in a sentence; absent with plenty of room."`
	Fix     string    `json:"fix,omitempty" doc:"What to do about it."`
	Stopped []string  `json:"stopped,omitempty" doc:"What has stopped to keep room for mail, in words."`
	Reserve int64     `json:"reserve" doc:"Octets that new mail leaves free."`
	Used    int64     `json:"used" doc:"By all that is on the disk, in octets."`
	Free    int64     `json:"free"`
	Total   int64     `json:"total"`
	FullAt  time.Time `json:"fullAt,omitzero" doc:"When the disk is full if it goes on as in the last 30 days; absent if it does not get fuller, or too little is known."`
}

// Storage is what takes room on the disk.
type Storage struct {
	Disk     *DiskUse         `json:"disk,omitempty"`
	Data     int64            `json:"data" doc:"Octets that the data folder takes on the disk."`
	Kinds    []StorageKind    `json:"kinds" doc:"The largest first."`
	Accounts []AccountStorage `json:"accounts" doc:"The 100 that have most mail, the largest first."`
	Job      string           `json:"job,omitempty" doc:"The job that gives back the room of deleted mail now."`
	Others   int              `json:"others" doc:"Accounts that are not among them."`
	At       time.Time        `json:"measuredAt"`
}

// StorageKind is the room that things of one kind take.
type StorageKind struct {
	Kind  string `json:"kind" enum:"mail,large-bodies,mailboxes,search,queue,traces,metrics,junk,reports,directory,certificates,backups,exports,kept-free,other"`
	Bytes int64  `json:"bytes" doc:"Taken on the disk."`
	Files int    `json:"files"`
}

// AccountStorage is what an account keeps.
type AccountStorage struct {
	Address    string `json:"address"`
	Bytes      int64  `json:"bytes" doc:"Of all its messages, as quotas count."`
	Messages   int64  `json:"messages"`
	QuotaBytes int64  `json:"quotaBytes" doc:"0: no limit."`
	Index      int64  `json:"index" doc:"Taken on the disk by its mailboxes beside the messages."`
}

// storage remembers the last look.
type storage struct {
	mu   sync.Mutex // held while somebody looks
	last Storage
	used map[uint32]measured // accounts, by their ID
}

// measured is what an account used when its file was as it is.
type measured struct {
	changed time.Time
	Usage
}

// forget lets the next one look again.
func (s *storage) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = Storage{}
}

// Storage says what takes room on the disk, and when that is full. It looks at
// most every five minutes; whoever asks meanwhile is told what was seen.
func (a *Admin) Storage(ctx context.Context) (Storage, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Storage{}, err
	}
	if a.opts.DataDir == "" {
		return Storage{}, &directory.Problem{Kind: ErrUnavailable, Text: "there is no data folder here"}
	}
	a.storage.mu.Lock()
	defer a.storage.mu.Unlock()
	v := a.storage.last
	if now := a.opts.Now(); v.At.IsZero() || now.Sub(v.At) >= storageEvery {
		var err error
		if v, err = a.measure(ctx); err != nil {
			return Storage{}, err
		}
		v.At = now.UTC()
		a.storage.last = v
	}
	v.Disk, v.Job = a.diskUse(ctx), a.runningJob(jobReclaim)
	return v, nil
}

// indexFile is the file with the mailboxes of an account.
type indexFile struct {
	octets  int64
	changed time.Time
}

// measure walks through the data folder, and asks accounts what they use.
func (a *Admin) measure(ctx context.Context) (Storage, error) {
	v := Storage{Kinds: []StorageKind{}, Accounts: []AccountStorage{}}
	kinds, index := map[string]StorageKind{}, map[uint32]indexFile{}
	err := filepath.WalkDir(a.opts.DataDir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // is gone already
		}
		if err != nil || d.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(a.opts.DataDir, path)
		kind, account := kindOf(rel)
		k := kinds[kind]
		k.Kind, k.Bytes, k.Files = kind, k.Bytes+onDisk(info), k.Files+1
		kinds[kind] = k
		v.Data += onDisk(info)
		if account != 0 {
			f := index[account]
			f.octets += onDisk(info)
			if info.ModTime().After(f.changed) {
				f.changed = info.ModTime()
			}
			index[account] = f
		}
		return nil
	})
	if err != nil {
		return Storage{}, err
	}
	for _, k := range kinds {
		v.Kinds = append(v.Kinds, k)
	}
	slices.SortFunc(v.Kinds, func(a, b StorageKind) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Kind, b.Kind)) })
	v.Accounts, v.Others, err = a.largest(ctx, index)
	return v, err
}

// onDisk is the room that a file takes, without its holes.
func onDisk(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

// kindOf says what a file below the data folder is for; account is whose
// mailboxes are in it, 0 for other files.
func kindOf(rel string) (kind string, account uint32) {
	parts := strings.Split(filepath.ToSlash(rel), "/")
	last := parts[len(parts)-1]
	switch {
	case parts[0] == "store" && len(parts) == 4 && parts[1] == "acct":
		if id, err := strconv.ParseUint(parts[2], 10, 32); err == nil {
			account = uint32(id)
		}
		if last == "search.db" {
			return "search", account
		}
		return "mailboxes", account
	case parts[0] == "store" && len(parts) > 1:
		kinds := map[string]string{"log": "mail", "big": "large-bodies", "queue.db": "queue", "sys.db": "mailboxes"}
		return cmp.Or(kinds[parts[1]], "other"), 0
	}
	kinds := map[string]string{"trace.db": "traces", "metrics.db": "metrics", "junk.db": "junk", "inbound.db": "junk", "reports.db": "reports", "system.db": "directory", "certs": "certificates", "backup": "backups", "export": "exports", "ballast": "kept-free"}
	return cmp.Or(kinds[parts[0]], "other"), 0
}

// largest are the accounts with most mail, and how many others there are. An
// account is asked again only if its file has changed.
func (a *Admin) largest(ctx context.Context, index map[uint32]indexFile) (list []AccountStorage, others int, err error) {
	used := map[uint32]measured{}
	list = []AccountStorage{}
	for _, acct := range a.opts.Directory.AccountRows(nil).After("") {
		f := index[acct.ID]
		m, ok := a.storage.used[acct.ID]
		if !ok || !m.changed.Equal(f.changed) {
			u, err := a.usage(ctx, mailbox.AccountID(acct.ID))
			if err != nil {
				return nil, 0, err
			}
			m = measured{f.changed, *u}
		}
		used[acct.ID] = m
		list = append(list, AccountStorage{Address: acct.Address.String(), Bytes: m.Bytes, Messages: m.Messages, QuotaBytes: acct.QuotaBytes, Index: f.octets})
	}
	a.storage.used = used
	slices.SortStableFunc(list, func(a, b AccountStorage) int { return cmp.Compare(b.Bytes, a.Bytes) })
	shown := min(len(list), largestMost)
	return list[:shown:shown], len(list) - shown, nil
}

// diskUse is how full the disk is, nil if that is not known.
func (a *Admin) diskUse(ctx context.Context) *DiskUse {
	if a.opts.DataDir == "" {
		return nil
	}
	used, free, ok := metrics.Disk(a.opts.DataDir)
	if !ok {
		return nil
	}
	d := &DiskUse{Used: int64(used), Free: int64(free), Total: int64(used + free)}
	if st, err := a.opts.Disk.Status(); err == nil {
		d.Stage, d.Says, d.Fix, d.Stopped, d.Reserve = st.Stage.String(), st.Stage.Says(), st.Stage.Fix(), st.Stage.Stopped(), st.Reserve
	}
	if a.opts.Series == nil {
		return d
	}
	now := a.opts.Now()
	past, err := a.opts.Series.Query(ctx, metrics.Query{Names: []string{"disk.used"}, From: now.Add(-forecastSpan), To: now, Step: forecastStep})
	if err == nil {
		d.FullAt = fullAt(past.Points, used+free, now)
	}
	return d
}

// fullAt is when a line through what was used reaches the total; the zero
// time if it never does within ten years, or there are numbers of fewer than
// three days.
func fullAt(points []metrics.Point, total float64, now time.Time) time.Time {
	points = slices.DeleteFunc(slices.Clone(points), func(p metrics.Point) bool { return math.IsNaN(p.Values[0]) })
	if len(points) < 2 || points[len(points)-1].Time.Sub(points[0].Time) < forecastLeast {
		return time.Time{}
	}
	// Least squares, with seconds before now as the abscissa.
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		x, y := p.Time.Sub(now).Seconds(), p.Values[0]
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	if slope <= 0 {
		return time.Time{}
	}
	last := points[len(points)-1]
	left := (total - last.Values[0]) / slope // from where the disk is, not the line
	if left < 0 || left > forecastBeyond.Seconds() {
		return time.Time{}
	}
	return last.Time.Add(time.Duration(left * float64(time.Second))).UTC().Truncate(time.Hour)
}
