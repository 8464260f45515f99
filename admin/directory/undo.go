package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Undone is what Undo did, or would do.
type Undone struct {
	Entry   AuditEntry // that is undone
	Changes []FieldChange
	// Account is what an account became; its quota is yet to be given to its
	// mailboxes.
	Account *Account
}

// FieldChange is one field that becomes another; nil is none.
type FieldChange struct {
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	Text   string          `json:"text"`
}

func fieldChange(path string, before, after json.RawMessage) FieldChange {
	show := func(v json.RawMessage) string {
		if v == nil {
			return "nothing"
		}
		return string(v)
	}
	return FieldChange{Path: path, Before: before, After: after, Text: fmt.Sprintf("%s: %s → %s", path, show(before), show(after))}
}

// errDry ends a transaction that was only to be looked at.
var errDry = errors.New("directory: only tried")

// Undo brings back what a change of settings, aliases, accounts or domains
// made different. What was changed again since stays: then it fails with
// ErrConflict and says what it found. With dry nothing is changed.
func (d *Directory) Undo(ctx context.Context, actor, id string, dry bool) (Undone, error) {
	var u Undone
	err := d.update(ctx, actor, func(c *change) (err error) {
		if u.Entry, err = findAudit(c.tx, id); err != nil {
			return err
		}
		switch {
		case u.Entry.UndoneBy != "":
			return conflict("change %s was undone already, by change %s", id, u.Entry.UndoneBy)
		case !u.Entry.Undoable:
			return invalid("%s of %s cannot be undone", u.Entry.Action, u.Entry.Object)
		}
		c.undoes = id
		if err := c.revert(&u); err != nil {
			return err
		}
		if !dry {
			return c.markUndone(u.Entry)
		}
		if err := checkOwners(d.current.Load(), c.next); err != nil {
			return err
		}
		return errDry
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	return u, err
}

// markUndone notes in an entry that the present change undid it.
func (c *change) markUndone(e AuditEntry) error {
	row := auditKeyOf(e.ID)
	e.UndoneBy = c.audited
	return c.put(bucketAudit, row, e.stored())
}

// revert does what undoes u.Entry.
func (c *change) revert(u *Undone) error {
	e := &u.Entry
	switch e.Action {
	case "setting.set":
		return c.revertSetting(u)
	case "account.set":
		return c.revertAccount(u)
	case "domain.set":
		return c.revertDomain(u)
	case "rules.set":
		return c.revertRules(u)
	}
	return c.revertAlias(u)
}

func (c *change) revertSetting(u *Undone) error {
	def, err := define(u.Entry.Object)
	if err != nil {
		return err
	}
	now, set := c.next.settings[def.name]
	if !set {
		now = def.initial
	}
	var before, after string
	if err := errors.Join(json.Unmarshal(u.Entry.Before, &before), json.Unmarshal(u.Entry.After, &after)); err != nil {
		return err
	}
	if now != after {
		return conflict("%s was changed again since: it is %q now, not %q", def.name, now, after)
	}
	u.Changes = []FieldChange{fieldChange(def.name, u.Entry.After, u.Entry.Before)}
	_, err = c.putSetting(def, before)
	return err
}

func (c *change) revertAccount(u *Undone) error {
	var was accountRecord
	if err := json.Unmarshal(u.Entry.Before, &was); err != nil {
		return err
	}
	old := c.next.accounts[was.ID]
	if old == nil {
		return conflict("the account %s is gone", u.Entry.Object)
	}
	var then accountRecord
	if err := u.bringBack(old.record(), &then); err != nil {
		return err
	}
	a, err := then.account()
	if err != nil {
		return err
	}
	if err := c.next.checkAccount(a); err != nil {
		return err
	}
	u.Account = a
	return c.putAccount("account.set", old, a)
}

func (c *change) revertDomain(u *Undone) error {
	old := c.next.domains[mail.Domain(u.Entry.Object)]
	if old == nil {
		return conflict("the domain %s is gone", u.Entry.Object)
	}
	var then domainRecord
	if err := u.bringBack(old.record(), &then); err != nil {
		return err
	}
	dom, err := then.domain()
	if err != nil {
		return err
	}
	dom.Keys = old.Keys
	if err := c.next.checkDomain(dom); err != nil {
		return err
	}
	return c.putDomain("domain.set", old, dom)
}

func (c *change) revertAlias(u *Undone) error {
	p, err := mail.ParseAddress(u.Entry.Object)
	if err != nil {
		return err
	}
	var was, became aliasRecord
	for _, part := range []struct {
		raw json.RawMessage
		to  *aliasRecord
	}{{u.Entry.Before, &was}, {u.Entry.After, &became}} {
		if part.raw == nil {
			continue
		}
		if err := json.Unmarshal(part.raw, part.to); err != nil {
			return err
		}
	}
	old := c.next.aliases[p.Key()]
	if now := targetsOf(old); !slices.Equal(now, became.Targets) {
		return conflict("%s was changed again since: it leads to %s now", p.Display(), orNobody(now))
	}
	u.Changes = []FieldChange{fieldChange("targets", rawTargets(became.Targets), rawTargets(was.Targets))}
	if len(was.Targets) == 0 {
		return c.revertNewAlias(old)
	}
	then := &Alias{Address: p, Created: was.Created}
	targets, err := parsePaths(was.Targets)
	if err != nil {
		return err
	}
	action := "alias.set"
	if old == nil {
		action = "alias.add"
		if err := c.next.checkNewAddress(p); err != nil {
			return err
		}
	}
	if err := c.next.addTargets(then, targets); err != nil {
		return err
	}
	return c.putAlias(action, old, then)
}

// revertNewAlias removes an alias, if nothing leads to it by now.
func (c *change) revertNewAlias(a *Alias) error {
	for _, other := range c.next.aliases {
		if containsPath(other.Targets, a.Address) {
			return conflict("%s leads to %s; remove that first", other.Address.Display(), a.Address.Display())
		}
	}
	for _, other := range c.next.accounts {
		if containsPath(other.Forward, a.Address) {
			return conflict("%s forwards to %s; end that first", other.Address.Display(), a.Address.Display())
		}
	}
	for _, dom := range c.next.domains {
		if dom.CatchAll.Key() == a.Address.Key() {
			return conflict("%s is the catch-all of %s; change that first", a.Address.Display(), dom.Name.Unicode())
		}
	}
	return c.dropAlias(a)
}

func targetsOf(a *Alias) []string {
	if a == nil {
		return nil
	}
	return texts(a.Targets)
}

func orNobody(list []string) string {
	if len(list) == 0 {
		return "nobody"
	}
	return strings.Join(list, ", ")
}

func rawTargets(list []string) json.RawMessage {
	if len(list) == 0 {
		return nil
	}
	raw, _ := json.Marshal(list) // of texts never fails
	return raw
}

// fields is a record taken apart.
type fields map[string]json.RawMessage

func fieldsOf(raw []byte) (fields, error) {
	f := fields{}
	if raw == nil {
		return f, nil
	}
	return f, json.Unmarshal(raw, &f)
}

// differ returns the names of what is different in a and b, in order.
func differ(a, b fields) []string {
	names := maps.Clone(a)
	maps.Copy(names, b)
	maps.DeleteFunc(names, func(name string, _ json.RawMessage) bool { return bytes.Equal(a[name], b[name]) })
	return slices.Sorted(maps.Keys(names))
}

// bringBack writes the record now into then, with the fields that the entry
// changed as they were before. Those must be as the entry left them; what it
// did not touch may have changed.
func (u *Undone) bringBack(now, then any) error {
	before, err := fieldsOf(u.Entry.Before)
	if err != nil {
		return err
	}
	after, err := fieldsOf(u.Entry.After)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(now)
	if err != nil {
		return err
	}
	present, err := fieldsOf(raw)
	if err != nil {
		return err
	}
	for _, name := range differ(before, after) {
		if !bytes.Equal(present[name], after[name]) {
			return conflict("%s of %s was changed again since: it is %s now, not %s", name, u.Entry.Object, orNone(present[name]), orNone(after[name]))
		}
		u.Changes = append(u.Changes, fieldChange(name, after[name], before[name]))
		if present[name] = before[name]; before[name] == nil {
			delete(present, name)
		}
	}
	if raw, err = json.Marshal(present); err != nil {
		return err
	}
	return json.Unmarshal(raw, then)
}

func orNone(v json.RawMessage) string {
	if v == nil {
		return "not set"
	}
	return string(v)
}

// securityFields are those whose change is a matter of who may do what.
var securityFields = []string{"role", "domains", "app_passwords_only"}

// describe says whether a change can be undone, and whether that is a matter
// of security.
func (e *AuditEntry) describe() {
	e.Undoable, e.Security = false, false
	switch kind, _, _ := strings.Cut(e.Action, "."); kind {
	case "setting":
		def, err := define(e.Object)
		e.Undoable = e.Action == "setting.set" && err == nil && !def.secret
		e.Security = strings.HasPrefix(e.Object, "password.")
	case "alias", "rules":
		e.Undoable = true
	case "account", "domain":
		before, err1 := fieldsOf(e.Before)
		after, err2 := fieldsOf(e.After)
		changed := differ(before, after)
		e.Undoable = strings.HasSuffix(e.Action, ".set") && err1 == nil && err2 == nil && len(changed) > 0 && !slices.Contains(changed, "keys")
		e.Security = e.Action == actionBringBack || slices.ContainsFunc(securityFields, func(f string) bool { return slices.Contains(changed, f) })
	case "app-password", "api-key", "passkey", "totp", "recovery-codes", "factors":
		e.Security = true
	}
	e.Undoable = e.Undoable && e.UndoneBy == ""
}
