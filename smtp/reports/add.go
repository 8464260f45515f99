package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/delivery"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dmarc/aggregate"
	"github.com/mailstead/mailstead/smtp/tlsrpt"
)

// Bounds of what is kept.
const (
	maxFile       = 1 << 30 // octets of the file; nothing more is taken then
	maxKeptRows   = 2_000   // of one report; all of them are counted
	maxSources    = 2_000   // told apart of a domain on a day
	maxVerified   = 2_000   // reports about a domain that are taken on a day
	maxUnverified = 50      // likewise, of those that nobody stands for
	maxAhead      = 2 * day // that a report may begin in the future
)

// idOf makes the ID of a report. Who sent it is a part of it, if that is
// known, so that nobody can take the place of another's report.
func idOf(kind string, sender mail.Domain, org, reportID string, domain mail.Domain) (i id) {
	sum := sha256.Sum256([]byte(strings.Join([]string{kind, string(sender), strings.ToLower(org), reportID, string(domain)}, "\x00")))
	copy(i[:], sum[:])
	return i
}

// period checks what time a report is about.
func (b *Book) period(begin time.Time) error {
	now := b.opts.Now()
	switch {
	case begin.After(now.Add(maxAhead)):
		return fmt.Errorf("%w: it is about a time in the future (%s)", delivery.ErrNoReport, begin.Format(time.DateOnly))
	case begin.Before(now.Add(-b.opts.Keep())):
		return fmt.Errorf("%w: it is about a time too long ago (%s)", delivery.ErrNoReport, begin.Format(time.DateOnly))
	}
	return nil
}

// addDMARC keeps a report, once.
func (b *Book) addDMARC(m delivery.ReportMail, name string, parsed *aggregate.Report) (told string, err error) {
	domain, ok := b.ours(parsed.Policy.Domain, m.To)
	if !ok {
		return "", fmt.Errorf("%w: it is about %s, which is no domain of this server", delivery.ErrNoReport, parsed.Policy.Domain)
	}
	if err := b.period(parsed.Begin); err != nil {
		return "", err
	}
	i := idOf("dmarc", m.Author, parsed.Org, parsed.ID, parsed.Policy.Domain)
	r := &Report{ID: i.String(), Domain: domain, Sender: m.Author, Received: m.Received.UTC(), Trace: string(m.ID), Report: *parsed}
	if f, ok := aggregate.ParseFileName(name); ok && f.Policy != parsed.Policy.Domain {
		r.Notes = append(r.Notes, "the name of its file speaks of "+string(f.Policy))
	}
	told = fmt.Sprintf("DMARC report of %s about %s on %s, %s", line(parsed.Org), domain.Unicode(), parsed.Begin.Format(time.DateOnly), messages(parsed.Messages()))
	fresh, err := b.add(i, domain, bucketReport, r.Begin, m, func(tx *bolt.Tx) ([]byte, error) {
		if r.Verified() {
			if err := count(tx, domain, r.Begin, parsed.Rows); err != nil {
				return nil, err
			}
		}
		r.Rows, r.Left = parsed.Rows[:min(len(parsed.Rows), maxKeptRows)], max(len(parsed.Rows)-maxKeptRows, 0)
		return pack(r)
	})
	if err != nil {
		return "", err
	}
	if fresh && r.Verified() {
		b.askNames(parsed.Rows)
	}
	return told + status(fresh, r.Verified()), nil
}

func status(fresh, verified bool) string {
	switch {
	case !fresh:
		return ": it was here already"
	case !verified:
		return ": it does not pass DMARC, so that it is listed and not counted"
	}
	return ""
}

func messages(n int64) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

// line makes one short line of what a stranger wrote.
func line(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// add writes a report that is not there yet. value is called within the
// transaction.
func (b *Book) add(i id, domain mail.Domain, bucket []byte, begin time.Time, m delivery.ReportMail, value func(tx *bolt.Tx) ([]byte, error)) (fresh bool, err error) {
	err = b.db.Update(func(tx *bolt.Tx) error {
		fresh = false
		ids := tx.Bucket(bucketID)
		if ids.Get(i[:]) != nil {
			return nil
		}
		if err := arrive(tx, domain, b.opts.Now(), m.Author != ""); err != nil {
			return err
		}
		v, err := value(tx)
		if err != nil {
			return err
		}
		key := append(timeKey(domainKey(domain), begin), i[:]...)
		if err := ids.Put(i[:], append(append([]byte{version}, bucket[0]), key...)); err != nil {
			return err
		}
		fresh = true
		return tx.Bucket(bucket).Put(key, v)
	})
	return fresh, err
}

// arrive counts the reports of a day, so that nobody can fill the disk.
func arrive(tx *bolt.Tx, domain mail.Domain, now time.Time, verified bool) error {
	if tx.Size() > maxFile {
		return fmt.Errorf("%w that can be kept: there are more than %d MiB of reports already", delivery.ErrNoReport, maxFile>>20)
	}
	arrived := tx.Bucket(bucketArrived)
	key := timeKey(domainKey(domain), dayOf(now))
	var n [2]uint32 // verified, and not
	if v := arrived.Get(key); len(v) == 9 {
		n[0], n[1] = binary.BigEndian.Uint32(v[1:]), binary.BigEndian.Uint32(v[5:])
	}
	which, most := 0, uint32(maxVerified)
	if !verified {
		which, most = 1, maxUnverified
	}
	if n[which] >= most {
		return fmt.Errorf("%w that is kept: %d about %s came today already", delivery.ErrNoReport, most, domain)
	}
	n[which]++
	return arrived.Put(key, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{version}, n[0]), n[1]))
}

// count adds the rows of a report to the counts of its day.
func count(tx *bolt.Tx, domain mail.Domain, begin time.Time, rows []aggregate.Row) error {
	sums := map[netip.Addr]Counts{}
	for i := range rows {
		c := sums[rows[i].Source]
		c.Add(countRow(&rows[i]))
		sums[rows[i].Source] = c
	}
	days := tx.Bucket(bucketDay)
	prefix := timeKey(domainKey(domain), dayOf(begin))
	there := 0
	c := days.Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		there++
	}
	for addr, c := range sums {
		key := append(bytes.Clone(prefix), sourceKey(addr)...)
		if days.Get(key) == nil {
			if there >= maxSources {
				key = append(bytes.Clone(prefix), sourceKey(others)...)
			} else {
				there++
			}
		}
		if err := addCounts(days, key, c); err != nil {
			return err
		}
	}
	return nil
}

func addCounts(days *bolt.Bucket, key []byte, c Counts) error {
	var sum Counts
	if v := days.Get(key); v != nil {
		if err := decode(v, &sum); err != nil {
			return err
		}
	}
	sum.Add(c)
	v, err := encode(sum)
	if err != nil {
		return err
	}
	return days.Put(key, v)
}

// addTLS keeps what a report says of each of our domains, once.
func (b *Book) addTLS(m delivery.ReportMail, parsed *tlsrpt.Report) (told string, err error) {
	if err := b.period(parsed.Begin); err != nil {
		return "", err
	}
	byDomain := map[mail.Domain][]tlsrpt.Policy{}
	for _, p := range parsed.Policies {
		if d, ok := b.ours(p.Domain, m.To); ok {
			byDomain[d] = append(byDomain[d], p)
		}
	}
	if len(byDomain) == 0 {
		return "", fmt.Errorf("%w: it is about %s, which is no domain of this server", delivery.ErrNoReport, parsed.Policies[0].Domain)
	}
	anyFresh := false
	for domain, policies := range byDomain {
		i := idOf("tls", m.Author, parsed.Org, parsed.ID, domain)
		r := &TLSReport{ID: i.String(), Domain: domain, Sender: m.Author, Received: m.Received.UTC(), Trace: string(m.ID), Report: *parsed}
		r.Policies = policies
		fresh, err := b.add(i, domain, bucketTLS, r.Begin, m, func(*bolt.Tx) ([]byte, error) { return pack(r) })
		if err != nil {
			return "", err
		}
		anyFresh = anyFresh || fresh
	}
	good, failed := parsed.Sessions()
	return fmt.Sprintf("TLS report of %s on %s, %d sessions without trouble and %d with", line(parsed.Org), parsed.Begin.Format(time.DateOnly), good, failed) +
		status(anyFresh, m.Author != ""), nil
}
