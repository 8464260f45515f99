package admin

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mailstead/mailstead/admin/directory"
)

// maxBulk bounds the accounts that are made at once.
const maxBulk = 5000

// mailboxesAtOnce are made beside each other: each waits for the disk.
const mailboxesAtOnce = 16

// BulkRow is one line of what was pasted, and what came of it.
type BulkRow struct {
	Line    int    `json:"line"`
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
	Quota   string `json:"quota,omitempty"`
	Error   string `json:"error,omitempty" doc:"Why there is no account."`
	Invite  string `json:"invite,omitempty" doc:"Link by which the person sets a password."`
}

// BulkResult is what came of all lines.
type BulkResult struct {
	Rows   []BulkRow `json:"rows"`
	Made   int       `json:"made"`
	Failed int       `json:"failed"`
}

// AddAccounts makes accounts of lines: address, name, quota, with commas, tabs
// or semicolons between. Each line stands for itself; with invite each person
// gets a link. A rehearsal says what would come of it.
func (a *Admin) AddAccounts(ctx context.Context, text string, invite bool) (BulkResult, error) {
	may := authorize
	if invite && directory.RehearsalOf(ctx) == nil {
		may = authorizeSudo
	}
	if _, err := may(ctx, ChangePeople); err != nil {
		return BulkResult{}, err
	}
	rows, err := parseBulk(text)
	if err != nil {
		return BulkResult{}, At("text", err)
	}
	made, err := a.addRows(ctx, rows)
	if err != nil && !errors.Is(err, directory.ErrRehearsed) {
		return BulkResult{}, err
	}
	if err == nil {
		for i, err := range a.createAll(ctx, made) {
			if err != nil {
				rows[i].Error = err.Error()
			}
		}
	}
	if err == nil && invite {
		if err := a.inviteAll(ctx, rows, made); err != nil {
			return BulkResult{}, fmt.Errorf("the accounts are made, but not their invitations: %w", err)
		}
	}
	result := BulkResult{Rows: rows}
	for i := range rows {
		if rows[i].Error != "" {
			result.Failed++
		} else {
			result.Made++
		}
	}
	return result, nil
}

// addRows makes the accounts of rows in one change, and says in the others why
// there is none. Those of ID 0 were not made.
func (a *Admin) addRows(ctx context.Context, rows []BulkRow) ([]directory.Account, error) {
	var list []directory.NewAccount
	var of []int // the row of each
	for i := range rows {
		new, err := a.newRow(ctx, &rows[i])
		if err != nil {
			rows[i].Error = err.Error()
			continue
		}
		list, of = append(list, new), append(of, i)
	}
	made, refused, err := a.opts.Directory.AddAccounts(ctx, Actor(ctx), list)
	all := make([]directory.Account, len(rows))
	for j, i := range of {
		all[i] = made[j]
		if refused[j] != nil {
			rows[i].Error = refused[j].Error()
		}
	}
	return all, err
}

func (a *Admin) newRow(ctx context.Context, row *BulkRow) (directory.NewAccount, error) {
	n := NewAccount{Address: row.Address, Name: row.Name}
	if row.Quota != "" {
		size, err := directory.ParseSize(row.Quota)
		if err != nil {
			return directory.NewAccount{}, err
		}
		n.QuotaBytes = &size
	}
	return a.newAccount(ctx, n)
}

// createAll makes the mailboxes of accounts, and returns for each why it could
// not be: such an account is taken back. Those of ID 0 are none.
func (a *Admin) createAll(ctx context.Context, accounts []directory.Account) []error {
	errs := a.mailboxesOf(ctx, accounts)
	for i, err := range errs {
		if err != nil {
			undo := a.opts.Directory.RemoveAccount(context.WithoutCancel(ctx), Actor(ctx), accounts[i].ID)
			errs[i] = errors.Join(fmt.Errorf("make the mailboxes: %w", err), undo)
		}
	}
	return errs
}

// mailboxesOf makes what is missing of the mailboxes of accounts, and returns
// for each why it could not be.
func (a *Admin) mailboxesOf(ctx context.Context, accounts []directory.Account) []error {
	errs := make([]error, len(accounts))
	var g errgroup.Group
	g.SetLimit(mailboxesAtOnce)
	for i := range accounts {
		if accounts[i].ID == 0 {
			continue
		}
		g.Go(func() error {
			errs[i] = a.completeMailboxes(ctx, accounts[i].ID)
			return nil
		})
	}
	g.Wait()
	return errs
}

// inviteAll makes the links of all accounts in one change.
func (a *Admin) inviteAll(ctx context.Context, rows []BulkRow, made []directory.Account) error {
	if a.opts.SignIn == nil {
		return errNoInvitations
	}
	var ids []uint32
	var of []int
	for i := range made {
		if rows[i].Error == "" {
			ids, of = append(ids, made[i].ID), append(of, i)
		}
	}
	tokens, _, err := a.opts.SignIn.InviteAll(ctx, Actor(ctx), ids)
	if err != nil {
		return err
	}
	for j, i := range of {
		rows[i].Invite = a.inviteURL(tokens[j])
	}
	return nil
}

// parseBulk reads lines. A first line that names columns is left out.
func parseBulk(text string) ([]BulkRow, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.LazyQuotes = -1, true, true
	switch first, _, _ := strings.Cut(text, "\n"); {
	case strings.Contains(first, "\t"):
		r.Comma = '\t'
	case strings.Contains(first, ";"):
		r.Comma = ';'
	}
	rows := []BulkRow{}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, invalid("the text cannot be read: %v", err)
		}
		line, _ := r.FieldPos(0)
		row := BulkRow{Line: line}
		for i, to := range []*string{&row.Address, &row.Name, &row.Quota} {
			if i < len(fields) {
				*to = strings.TrimSpace(fields[i])
			}
		}
		if row.Address == "" || len(rows) == 0 && strings.EqualFold(row.Address, "address") {
			continue
		}
		if len(rows) == maxBulk {
			return nil, invalid("at most %d accounts are made at once; send the rest afterwards", maxBulk)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, invalid("there is no address; write one in each line, with a name behind a comma if you like")
	}
	return rows, nil
}
