package imapserver

import (
	"context"

	"github.com/mailstead/mailstead/imap/imapwire"
)

// command is one entry of the table. run reads the arguments up to the end of
// the command, and ends with ok, okCode, or an error: *imapwire.SyntaxError
// for BAD, one of the errors failure knows for NO.
type command struct {
	run     func(s *session, ctx context.Context, args *imapwire.Decoder) error
	in      state
	expunge bool
}

// commands says in which states a command may come, and whether its answer
// may reveal an EXPUNGE (RFC 9051 section 7.5.1).
var commands = map[string]command{
	"CAPABILITY": {run: (*session).capability, in: anyState, expunge: true},
	"NOOP":       {run: (*session).noop, in: anyState, expunge: true},
	"LOGOUT":     {run: (*session).logout, in: anyState},
	"ID":         {run: (*session).id, in: anyState, expunge: true},

	"STARTTLS":     {run: (*session).startTLS, in: notAuthenticated},
	"AUTHENTICATE": {run: (*session).authenticate, in: notAuthenticated},
	"LOGIN":        {run: (*session).login, in: notAuthenticated},

	"ENABLE":       {run: (*session).enable, in: authenticated},
	"SELECT":       {run: (*session).selectBox, in: loggedIn},
	"EXAMINE":      {run: (*session).examineBox, in: loggedIn},
	"CREATE":       {run: (*session).create, in: loggedIn, expunge: true},
	"DELETE":       {run: (*session).deleteBox, in: loggedIn, expunge: true},
	"RENAME":       {run: (*session).rename, in: loggedIn, expunge: true},
	"SUBSCRIBE":    {run: (*session).subscribe, in: loggedIn, expunge: true},
	"UNSUBSCRIBE":  {run: (*session).unsubscribe, in: loggedIn, expunge: true},
	"LIST":         {run: (*session).list, in: loggedIn, expunge: true},
	"LSUB":         {run: (*session).lsub, in: loggedIn, expunge: true},
	"NAMESPACE":    {run: (*session).namespace, in: loggedIn, expunge: true},
	"STATUS":       {run: (*session).statusOf, in: loggedIn, expunge: true},
	"APPEND":       {run: (*session).appendMessages, in: loggedIn, expunge: true},
	"IDLE":         {run: (*session).idle, in: loggedIn, expunge: true},
	"GETQUOTA":     {run: (*session).getQuota, in: loggedIn, expunge: true},
	"GETQUOTAROOT": {run: (*session).getQuotaRoot, in: loggedIn, expunge: true},
	"SETQUOTA":     {run: (*session).setQuota, in: loggedIn, expunge: true},

	"CHECK":       {run: (*session).noop, in: selected, expunge: true}, // RFC 3501 section 6.4.1: nothing to check
	"CLOSE":       {run: (*session).closeBox, in: selected},
	"UNSELECT":    {run: (*session).unselect, in: selected},
	"EXPUNGE":     {run: (*session).expunge, in: selected, expunge: true},
	"UID EXPUNGE": {run: (*session).expunge, in: selected, expunge: true},
	"SEARCH":      {run: (*session).search, in: selected},
	"UID SEARCH":  {run: (*session).search, in: selected, expunge: true},
	"FETCH":       {run: (*session).fetch, in: selected},
	"UID FETCH":   {run: (*session).fetch, in: selected, expunge: true},
	"STORE":       {run: (*session).store, in: selected},
	"UID STORE":   {run: (*session).store, in: selected, expunge: true},
	"COPY":        {run: (*session).copyMessages, in: selected, expunge: true},
	"UID COPY":    {run: (*session).copyMessages, in: selected, expunge: true},
	"MOVE":        {run: (*session).move, in: selected, expunge: true},
	"UID MOVE":    {run: (*session).move, in: selected, expunge: true},
}
