package imapserver

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// create answers CREATE (RFC 9051 section 6.3.4), with USE of RFC 6154
// section 3.
func (s *session) create(ctx context.Context, args *imapwire.Decoder) error {
	name := args.SP().Mailbox(s.out.UTF8)
	var uses []imap.Flag
	if args.TrySP() {
		args.List(func() {
			if args.Name() != "USE" {
				args.Fail("Unknown parameter")
			}
			args.SP().List(func() { uses = append(uses, args.Flag()) })
		})
	}
	if err := args.End(); err != nil {
		return err
	}
	role, err := s.roleOf(ctx, uses)
	if err != nil {
		return err
	}
	// "/" at the end announces that others will be made below.
	name = strings.TrimSuffix(name, "/")
	made, err := s.account.CreateMailbox(ctx, name, role)
	if err != nil {
		return err
	}
	if err := s.tellNormalized(ctx, name, name); err != nil {
		return err
	}
	return s.okCode(mailboxIDCode(&made), "Mailbox is there")
}

// roleOf turns the attributes of USE into a role that is free.
func (s *session) roleOf(ctx context.Context, uses []imap.Flag) (mailbox.Role, error) {
	if len(uses) == 0 {
		return mailbox.NoRole, nil
	}
	i := slices.IndexFunc(roles[:], func(r roleName) bool { return strings.EqualFold(string(r.attr), string(uses[0])) })
	if i < 0 || len(uses) > 1 {
		return 0, no(imapext.CodeUseAttr, "A mailbox can have one special use, of those listed in RFC 6154")
	}
	role := roles[i].role
	err := s.account.View(ctx, func(v *mailbox.View) error {
		_, err := v.MailboxByRole(role)
		return err
	})
	switch {
	case errors.Is(err, mailbox.ErrNotFound):
		return role, nil
	case err == nil:
		return 0, no(imapext.CodeUseAttr, "Another mailbox has this special use")
	}
	return 0, err
}

// deleteBox answers DELETE (RFC 9051 section 6.3.5).
func (s *session) deleteBox(ctx context.Context, args *imapwire.Decoder) error {
	name := args.SP().Mailbox(s.out.UTF8)
	if err := args.End(); err != nil {
		return err
	}
	if clean, err := mailbox.CleanName(name); err == nil && clean == "INBOX" {
		return no(imap.ResponseCodeCannot, "INBOX cannot be deleted")
	}
	if err := s.account.DeleteMailbox(ctx, name); err != nil {
		return err
	}
	if s.box != nil {
		// It may be the one that is open here. Then there is nothing to tell
		// of it any more.
		err := s.account.View(ctx, func(v *mailbox.View) error {
			_, err := v.Mailbox(s.box.id)
			return err
		})
		if errors.Is(err, mailbox.ErrNotFound) {
			s.leave()
			s.untagged(string(imapext.CodeClosed), "The selected mailbox was deleted")
		}
	}
	return s.ok("")
}

// rename answers RENAME (RFC 9051 section 6.3.6).
func (s *session) rename(ctx context.Context, args *imapwire.Decoder) error {
	from := args.SP().Mailbox(s.out.UTF8)
	to := args.SP().Mailbox(s.out.UTF8)
	if err := args.End(); err != nil {
		return err
	}
	to = strings.TrimSuffix(to, "/")
	if err := s.account.RenameMailbox(ctx, from, to); err != nil {
		return err
	}
	if err := s.tellNormalized(ctx, to, from); err != nil {
		return err
	}
	return s.ok("")
}

// subscribe answers SUBSCRIBE (RFC 9051 section 6.3.7).
func (s *session) subscribe(ctx context.Context, args *imapwire.Decoder) error {
	return s.setSubscribed(ctx, args, true)
}

// unsubscribe answers UNSUBSCRIBE (RFC 9051 section 6.3.8).
func (s *session) unsubscribe(ctx context.Context, args *imapwire.Decoder) error {
	return s.setSubscribed(ctx, args, false)
}

func (s *session) setSubscribed(ctx context.Context, args *imapwire.Decoder, on bool) error {
	name := args.SP().Mailbox(s.out.UTF8)
	if err := args.End(); err != nil {
		return err
	}
	if err := s.account.SetSubscribed(ctx, name, on); err != nil {
		return err
	}
	return s.ok("")
}
