package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mailbox"
	"github.com/mailstead/mailstead/mailbox/store"
)

// samplesMost is how many messages are hashed for a survey.
const samplesMost = 200

// Survey is how the live server stood just before it was copied.
type Survey struct {
	Domains  int             `json:"domains"`
	Accounts []AccountSurvey `json:"accounts"`
}

// AccountSurvey is how an account stood.
type AccountSurvey struct {
	ID        uint32          `json:"id"`
	Address   string          `json:"address"`
	ModSeq    uint64          `json:"modSeq"`
	Messages  int64           `json:"messages"`
	Bytes     int64           `json:"bytes"`
	Mailboxes []MailboxSurvey `json:"mailboxes"`
	Samples   []Sample        `json:"samples,omitempty"`
}

// MailboxSurvey is how a mailbox stood.
type MailboxSurvey struct {
	ID          uint32 `json:"id"`
	Name        string `json:"name"`
	UIDValidity uint32 `json:"uidValidity"`
	UIDNext     uint32 `json:"uidNext"`
	Exists      uint32 `json:"exists"`
}

// Sample is a message as it was.
type Sample struct {
	Mailbox uint32 `json:"mailbox"`
	UID     uint32 `json:"uid"`
	Flags   uint32 `json:"flags"`
	SHA256  []byte `json:"sha256"` // of its octets
}

// survey looks at all accounts, and hashes messages of some.
func survey(ctx context.Context, d *directory.Directory, boxes *mailbox.Boxes) (Survey, error) {
	s := Survey{Domains: len(d.Domains())}
	all := d.Accounts()
	each := max(1, samplesMost/max(1, len(all)))
	left := samplesMost
	for _, i := range rand.Perm(len(all)) { // so that each has its turn to be hashed
		a, err := surveyAccount(ctx, boxes, mailbox.AccountID(all[i].ID), min(each, left))
		if err != nil {
			return Survey{}, err
		}
		a.Address = all[i].Address.String()
		left -= len(a.Samples)
		s.Accounts = append(s.Accounts, a)
	}
	slices.SortFunc(s.Accounts, func(a, b AccountSurvey) int { return int(a.ID) - int(b.ID) })
	return s, nil
}

// forget leaves out what was removed while it was copied.
func (s *Survey) forget(d *directory.Directory) {
	s.Domains = min(s.Domains, len(d.Domains()))
	s.Accounts = slices.DeleteFunc(s.Accounts, func(a AccountSurvey) bool {
		_, err := d.Account(a.ID)
		return err != nil
	})
}

func surveyAccount(ctx context.Context, boxes *mailbox.Boxes, id mailbox.AccountID, samples int) (AccountSurvey, error) {
	a := AccountSurvey{ID: uint32(id)}
	var bodies []mailbox.BodyRef
	err := boxes.Account(id).View(ctx, func(v *mailbox.View) error {
		a = AccountSurvey{ID: uint32(id), ModSeq: uint64(v.ModSeq())}
		bodies = nil
		u := v.Usage()
		a.Messages, a.Bytes = u.Messages, u.Bytes
		list, err := v.Mailboxes()
		if err != nil {
			return err
		}
		for _, m := range list {
			a.Mailboxes = append(a.Mailboxes, MailboxSurvey{uint32(m.ID), m.Name, uint32(m.UIDValidity), uint32(m.UIDNext), m.Exists})
		}
		bodies, err = a.choose(v, list, samples)
		return err
	})
	if err != nil {
		return a, err
	}
	kept := a.Samples[:0]
	for i, body := range bodies {
		sum, err := hashBody(ctx, boxes, body)
		if errors.Is(err, store.ErrNoBody) {
			continue // expunged meanwhile
		}
		if err != nil {
			return a, err
		}
		a.Samples[i].SHA256 = sum
		kept = append(kept, a.Samples[i])
	}
	a.Samples = kept
	return a, nil
}

// choose picks messages at random, more from large mailboxes.
func (a *AccountSurvey) choose(v *mailbox.View, list []mailbox.Mailbox, samples int) (bodies []mailbox.BodyRef, err error) {
	total := int64(0)
	for _, m := range list {
		total += int64(m.Exists)
	}
	if total == 0 {
		return nil, nil
	}
	for _, m := range list {
		if m.Exists == 0 {
			continue
		}
		n := min(int64(samples), int64(m.Exists), (int64(samples)*int64(m.Exists)+total-1)/total)
		if n == 0 || len(a.Samples) >= samples {
			continue
		}
		uids := v.UIDs(m.ID, nil)
		for range min(n, int64(samples-len(a.Samples))) {
			msg, err := v.Message(m.ID, uids[rand.IntN(len(uids))])
			if err != nil {
				return nil, err
			}
			body, err := msg.Body()
			if err != nil {
				return nil, err
			}
			a.Samples = append(a.Samples, Sample{Mailbox: uint32(m.ID), UID: uint32(msg.UID), Flags: uint32(msg.Flags)})
			bodies = append(bodies, body)
		}
	}
	return bodies, nil
}

// hashBody hashes the octets of a message.
func hashBody(ctx context.Context, boxes bodies, ref mailbox.BodyRef) ([]byte, error) {
	body, err := boxes.OpenBody(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(body, 0, body.Size())); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}
