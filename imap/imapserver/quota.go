package imapserver

import (
	"context"

	"github.com/emersion/go-imap/v2"

	imapext "github.com/mailstead/mailstead/imap"
	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// quotaRoot is the one root of an account.
const quotaRoot = ""

// getQuota answers GETQUOTA (RFC 9208 section 4.2).
func (s *session) getQuota(ctx context.Context, args *imapwire.Decoder) error {
	root := args.SP().AString()
	if err := args.End(); err != nil {
		return err
	}
	if root != quotaRoot {
		return no(imap.ResponseCodeNonExistent, "No such quota root")
	}
	err := s.account.View(ctx, func(v *mailbox.View) error {
		s.writeQuota(v.Usage())
		return nil
	})
	if err != nil {
		return err
	}
	return s.ok("")
}

// getQuotaRoot answers GETQUOTAROOT (RFC 9208 section 4.3).
func (s *session) getQuotaRoot(ctx context.Context, args *imapwire.Decoder) error {
	name := args.SP().Mailbox(s.out.UTF8)
	if err := args.End(); err != nil {
		return err
	}
	err := s.account.View(ctx, func(v *mailbox.View) error {
		box, err := v.MailboxByName(name)
		if err != nil {
			return err
		}
		s.out.Raw("* QUOTAROOT ").Mailbox(box.Name).SP().String(quotaRoot).CRLF()
		s.writeQuota(v.Usage())
		return nil
	})
	if err != nil {
		return err
	}
	return s.ok("")
}

// setQuota answers SETQUOTA, which is the administrator's business: the
// capability QUOTASET is not listed.
func (s *session) setQuota(_ context.Context, args *imapwire.Decoder) error {
	args.SP().AString()
	args.SP().List(func() {
		args.Name()
		args.SP().Number64()
	})
	if err := args.End(); err != nil {
		return err
	}
	return no(imap.ResponseCodeNoPerm, "Quota is set by the administrator")
}

// writeQuota writes a QUOTA response; resources without a limit are left out.
// Storage counts in units of 1024 octets (RFC 9208 section 5.1).
func (s *session) writeQuota(u mailbox.Usage) {
	s.out.Raw("* QUOTA ").String(quotaRoot).Raw(" (")
	sep := ""
	for _, r := range []struct {
		name        imapext.QuotaResource
		used, limit int64
	}{
		{imapext.QuotaStorage, (u.Bytes + 1023) / 1024, u.LimitBytes / 1024},
		{imapext.QuotaMessage, u.Messages, u.LimitMessages},
	} {
		if r.limit > 0 {
			s.out.Raw(sep).Raw(string(r.name)).SP().Int(r.used).SP().Int(r.limit)
			sep = " "
		}
	}
	s.out.Raw(")\r\n")
}
