package directory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

// Bounds of a page.
const (
	pageDefault = 50
	pageMost    = 500
	pageScanned = 20_000 // rows that are looked at for one page
)

// Page is a part of a list. Next continues it; "" is the end. A page may have
// fewer items than were asked for, or none, and go on all the same.
type Page[T any] struct {
	Items []T
	Next  string
}

func pageLimit(n int) int {
	if n <= 0 {
		return pageDefault
	}
	return min(n, pageMost)
}

// makeCursor says where the next page begins: before a row.
func makeCursor(row uint64) string { return base64.RawURLEncoding.EncodeToString(auditKey(row)) }

// readCursor returns the row before which a page begins; all rows if s is "".
func readCursor(s string) (uint64, error) {
	if s == "" {
		return ^uint64(0), nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 8 {
		return 0, invalid("the cursor is not one that came with a page; begin again without it")
	}
	return binary.BigEndian.Uint64(b), nil
}

// LoginFilter narrows a list of logins; empty fields do not.
type LoginFilter struct {
	Account uint32
	OK      *bool
	Domains []mail.Domain // of the account, or of the login where there is none
	// Query is found in login, address, client, label, protocol or reason.
	Query  string
	Cursor string // Next of the page before
	Limit  int    // 50 if 0, at most 500
}

// RecordLogin puts a login into the history that an Authenticator does not
// record: one by web. Time, Last, Count and ID are set here, Account by Login
// where it is 0, and Login by Account where it is empty.
func (d *Directory) RecordLogin(e LoginEntry) {
	s := d.current.Load()
	if a := s.accounts[e.Account]; a != nil && e.Login == "" {
		e.Login = a.Address.Key()
	}
	e.Login = loginKey(e.Login)
	d.recordLogin(e)
}

func (d *Directory) recordLogin(e LoginEntry) *attempt {
	if e.Account == 0 {
		e.Account = d.current.Load().typed(e.Login)
	}
	now := d.opts.Now().UTC()
	e.ID, e.Time, e.Last, e.Count = "", now, now, 1
	e.Client = cleanClient(e.Client)
	e.IP = e.IP.Unmap()
	a := &attempt{LoginEntry: e}
	d.journal.add(a)
	return a
}

// cleanClient bounds what a client calls itself.
func cleanClient(s string) string {
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return -1
		}
		return c
	}, s[:min(len(s), 4*maxLoginClient)])
	for i := range s {
		if i > maxLoginClient {
			return strings.ToValidUTF8(s[:maxLoginClient], "")
		}
	}
	return strings.ToValidUTF8(s, "")
}

// Logins returns logins, the newest first.
func (d *Directory) Logins(ctx context.Context, f LoginFilter) (Page[LoginEntry], error) {
	before, err := readCursor(f.Cursor)
	if err != nil {
		return Page[LoginEntry]{}, err
	}
	d.journal.flush(false)
	s := d.current.Load()
	page := Page[LoginEntry]{Items: []LoginEntry{}}
	limit, scanned := pageLimit(f.Limit), 0
	f.Query = strings.ToLower(f.Query)
	err = d.db.View(func(tx *bolt.Tx) error {
		for row := range loginRows(tx, f.Account, before) {
			if len(page.Items) == limit || scanned == pageScanned {
				page.Next = makeCursor(before)
				break
			}
			before = row
			scanned++
			e, err := readLogin(tx, row)
			if err != nil {
				return err
			}
			if s.matchesLogin(&f, e) {
				page.Items = append(page.Items, *e)
			}
		}
		return ctx.Err()
	})
	return page, err
}

// loginRows are the rows of an account, or of all, that are older than before,
// the newest first.
func loginRows(tx *bolt.Tx, account uint32, before uint64) iter.Seq[uint64] {
	if account == 0 {
		return func(yield func(uint64) bool) {
			c := tx.Bucket(bucketLogins).Cursor()
			for k := backFrom(c, auditKey(before)); k != nil && yield(binary.BigEndian.Uint64(k)); k, _ = c.Prev() {
			}
		}
	}
	var rows []uint64 // few: they are bounded
	c := tx.Bucket(bucketLoginIndex).Cursor()
	for prefix, k := accountKey(account), []byte(nil); ; {
		if k == nil {
			k, _ = c.Seek(prefix)
		} else {
			k, _ = c.Next()
		}
		if k == nil || !bytes.HasPrefix(k, prefix) {
			break
		}
		if row := binary.BigEndian.Uint64(k[len(prefix)+1:]); row < before {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b uint64) int { return cmp.Compare(b, a) })
	return slices.Values(rows)
}

// backFrom moves a cursor to the last key below key.
func backFrom(c *bolt.Cursor, key []byte) []byte {
	if k, _ := c.Seek(key); k == nil {
		k, _ = c.Last()
		return k
	}
	k, _ := c.Prev()
	return k
}

func readLogin(tx *bolt.Tx, row uint64) (*LoginEntry, error) {
	e := &LoginEntry{}
	err := decode(tx.Bucket(bucketLogins).Get(auditKey(row)), e)
	e.ID = strconv.FormatUint(row, 10)
	return e, err
}

func (s *snapshot) matchesLogin(f *LoginFilter, e *LoginEntry) bool {
	if f.OK != nil && *f.OK != e.OK {
		return false
	}
	if f.Domains != nil && !slices.Contains(f.Domains, s.loginDomain(e)) {
		return false
	}
	if f.Query == "" {
		return true
	}
	for _, text := range []string{e.Login, e.IP.String(), e.Client, e.Label, string(e.Protocol), e.Reason} {
		if strings.Contains(strings.ToLower(text), f.Query) {
			return true
		}
	}
	return false
}

// loginDomain is whose admins may see a login.
func (s *snapshot) loginDomain(e *LoginEntry) mail.Domain {
	if a := s.accounts[e.Account]; a != nil {
		return a.Address.Domain
	}
	p, err := mail.ParseAddress(e.Login)
	if err != nil {
		return ""
	}
	return p.Domain
}

// Device is what looks like one device or program of an account.
type Device struct {
	Client      string // what it calls itself; may be ""
	AppPassword string // ID of the app password; "" is the password of the account
	Label       string
	Protocol    Protocol
	FirstSeen   time.Time
	LastSeen    time.Time
	IP          netip.Addr // last seen from
	Logins      int
}

// Devices returns what has logged in to an account, the last seen first.
func (d *Directory) Devices(ctx context.Context, account uint32) ([]Device, error) {
	d.journal.flush(false)
	type key struct {
		client, app string
		protocol    Protocol
	}
	found := map[key]*Device{}
	err := d.db.View(func(tx *bolt.Tx) error {
		for row := range loginRows(tx, account, ^uint64(0)) {
			e, err := readLogin(tx, row)
			if err != nil {
				return err
			}
			if !e.OK {
				continue
			}
			k := key{e.Client, e.AppPassword, e.Protocol}
			if found[k] == nil {
				found[k] = &Device{Client: e.Client, AppPassword: e.AppPassword, Label: e.Label, Protocol: e.Protocol, FirstSeen: e.Time}
			}
			found[k].add(e)
		}
		return ctx.Err()
	})
	devices := []Device{}
	for _, dev := range found {
		devices = append(devices, *dev)
	}
	slices.SortFunc(devices, func(a, b Device) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Client, b.Client), cmp.Compare(a.AppPassword, b.AppPassword), cmp.Compare(a.Protocol, b.Protocol))
	})
	return devices, err
}

func (dev *Device) add(e *LoginEntry) {
	dev.Logins += e.Count
	if e.Time.Before(dev.FirstSeen) {
		dev.FirstSeen = e.Time
	}
	if e.Last.After(dev.LastSeen) {
		dev.LastSeen, dev.IP, dev.Label = e.Last, e.IP, e.Label
	}
}
