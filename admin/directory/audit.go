package directory

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bounds of the audit log.
const (
	auditDefault = 100
	maxAudit     = 100_000 // entries that are kept
)

// AuditEntry is one change: who made it, and what was before and after.
type AuditEntry struct {
	ID     string          `json:"id,omitempty"`
	Time   time.Time       `json:"time"`
	Actor  string          `json:"actor"`
	Action string          `json:"action"` // "account.set", "setting.set", …
	Object string          `json:"object"` // address, domain, name of the setting
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`

	Undoes   string `json:"undoes,omitempty"`   // ID of the change that this one undid
	UndoneBy string `json:"undoneBy,omitempty"` // ID of the change that undid this one
	Undoable bool   `json:"undoable,omitempty"` // by Undo
	Security bool   `json:"security,omitempty"` // is about who may do what
}

// stored is an entry without what is found out when it is read.
func (e AuditEntry) stored() AuditEntry {
	e.ID, e.Undoable, e.Security = "", false, false
	return e
}

// audit records a change in its own transaction; before and after are nil, or
// free of secrets.
func (c *change) audit(action, object string, before, after any) error {
	e := AuditEntry{Time: c.now.UTC(), Actor: c.actor, Action: action, Object: object, Undoes: c.undoes}
	var err error
	if e.Before, err = auditJSON(before); err != nil {
		return err
	}
	if e.After, err = auditJSON(after); err != nil {
		return err
	}
	b := c.tx.Bucket(bucketAudit)
	seq, err := b.NextSequence()
	if err != nil {
		return err
	}
	if seq > maxAudit {
		if err := b.Delete(auditKey(seq - maxAudit)); err != nil {
			return err
		}
	}
	c.audited = strconv.FormatUint(seq, 10)
	c.entries = append(c.entries, e)
	return c.put(bucketAudit, auditKey(seq), e)
}

// Record writes a change that was made elsewhere, such as to the queue, into
// the audit log; after says more than object, and may be nil.
func (d *Directory) Record(ctx context.Context, actor, action, object string, after any) error {
	return d.update(ctx, actor, func(c *change) error { return c.audit(action, object, nil, after) })
}

// auditKeyOf is the key of an entry that is there.
func auditKeyOf(id string) []byte {
	seq, _ := strconv.ParseUint(id, 10, 64)
	return auditKey(seq)
}

func auditKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// auditJSON leaves out what is nil, also as a typed pointer.
func auditJSON(v any) (json.RawMessage, error) {
	if v == nil || reflect.ValueOf(v).Kind() == reflect.Pointer && reflect.ValueOf(v).IsNil() {
		return nil, nil
	}
	return json.Marshal(v)
}

// Audit returns the newest changes, newest first; 100 if limit is 0.
func (d *Directory) Audit(ctx context.Context, limit int) ([]AuditEntry, error) {
	if limit <= 0 {
		limit = auditDefault
	}
	var list []AuditEntry
	err := d.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketAudit).Cursor()
		for k, _ := c.Last(); k != nil && len(list) < limit; k, _ = c.Prev() {
			e, err := readAudit(tx, binary.BigEndian.Uint64(k))
			if err != nil {
				return err
			}
			list = append(list, e)
		}
		return ctx.Err()
	})
	return list, err
}
