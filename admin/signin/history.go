package signin

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
)

// loginHistory is the History of the directory, beside the logins of mail
// programs.
type loginHistory struct{ dir *directory.Directory }

func (h loginHistory) SignedIn(_ context.Context, a Attempt) {
	h.dir.RecordLogin(directory.LoginEntry{
		Login: a.Login, Account: a.Account, Protocol: directory.ProtocolWeb, Method: string(a.Method),
		IP: a.Remote, Client: a.Agent, OK: a.OK, Reason: a.Reason,
	})
}
