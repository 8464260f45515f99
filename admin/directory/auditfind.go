package directory

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
)

// AuditFilter narrows a list of changes; empty fields do not.
type AuditFilter struct {
	Actor  string // a part of it
	Object string // a part of it
	Action string // as in "account.set"; "account" is all of accounts
	// Domains are those of which changes to domain, accounts and aliases are
	// wanted.
	Domains     []mail.Domain
	Since, Till time.Time
	Cursor      string // Next of the page before
	Limit       int    // 50 if 0, at most 500
}

// FindAudit returns changes, the newest first.
func (d *Directory) FindAudit(ctx context.Context, f AuditFilter) (Page[AuditEntry], error) {
	before, err := readCursor(f.Cursor)
	if err != nil {
		return Page[AuditEntry]{}, err
	}
	f.Actor, f.Object = strings.ToLower(f.Actor), strings.ToLower(f.Object)
	page := Page[AuditEntry]{Items: []AuditEntry{}}
	limit, scanned := pageLimit(f.Limit), 0
	err = d.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketAudit).Cursor()
		for k := backFrom(c, auditKey(before)); k != nil; k, _ = c.Prev() {
			if len(page.Items) == limit || scanned == pageScanned {
				page.Next = makeCursor(before)
				break
			}
			before = binary.BigEndian.Uint64(k)
			scanned++
			e, err := readAuditRow(tx, before)
			if err != nil {
				return err
			}
			if !f.Since.IsZero() && e.Time.Before(f.Since) {
				break
			}
			if f.matches(&e) {
				e.describe()
				page.Items = append(page.Items, e)
			}
		}
		return ctx.Err()
	})
	return page, err
}

// AuditEntry returns one change.
func (d *Directory) AuditEntry(_ context.Context, id string) (e AuditEntry, err error) {
	err = d.db.View(func(tx *bolt.Tx) error {
		e, err = findAudit(tx, id)
		return err
	})
	return e, err
}

func findAudit(tx *bolt.Tx, id string) (AuditEntry, error) {
	row, err := strconv.ParseUint(id, 10, 64)
	if err != nil || tx.Bucket(bucketAudit).Get(auditKey(row)) == nil {
		return AuditEntry{}, notFound("there is no change number %q in the audit log", id)
	}
	return readAudit(tx, row)
}

func readAudit(tx *bolt.Tx, row uint64) (AuditEntry, error) {
	e, err := readAuditRow(tx, row)
	e.describe()
	return e, err
}

// readAuditRow leaves out what describe finds.
func readAuditRow(tx *bolt.Tx, row uint64) (AuditEntry, error) {
	var e AuditEntry
	err := decode(tx.Bucket(bucketAudit).Get(auditKey(row)), &e)
	e.ID = strconv.FormatUint(row, 10)
	return e, err
}

func (f *AuditFilter) matches(e *AuditEntry) bool {
	switch {
	case !f.Till.IsZero() && e.Time.After(f.Till),
		!strings.Contains(strings.ToLower(e.Actor), f.Actor),
		!strings.Contains(strings.ToLower(e.Object), f.Object),
		f.Action != "" && e.Action != f.Action && !strings.HasPrefix(e.Action, f.Action+"."):
		return false
	}
	return f.Domains == nil || slices.Contains(f.Domains, e.domain())
}

// domain is whose admins may see a change; "" is nobody but admins of the
// server.
func (e *AuditEntry) domain() mail.Domain {
	kind, _, _ := strings.Cut(e.Action, ".")
	switch kind {
	case "domain":
		return mail.Domain(e.Object)
	case "account", "alias", "app-password", "passkey", "totp", "recovery-codes", "factors":
		if p, err := mail.ParseAddress(e.Object); err == nil {
			return p.Domain
		}
	}
	return ""
}
