package admin

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
)

// maxBulk bounds the accounts that are made at once.
const maxBulk = 1000

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
	if _, err := authorize(ctx, ChangePeople); err != nil {
		return BulkResult{}, err
	}
	rows, err := parseBulk(text)
	if err != nil {
		return BulkResult{}, At("text", err)
	}
	result := BulkResult{Rows: rows}
	for i := range rows {
		if err := ctx.Err(); err != nil {
			return result, err
		}
		if err := a.addRow(ctx, &rows[i], invite); err != nil {
			rows[i].Error = err.Error()
			result.Failed++
			continue
		}
		result.Made++
	}
	return result, nil
}

func (a *Admin) addRow(ctx context.Context, row *BulkRow, invite bool) error {
	n := NewAccount{Address: row.Address, Name: row.Name}
	if row.Quota != "" {
		size, err := directory.ParseSize(row.Quota)
		if err != nil {
			return err
		}
		n.QuotaBytes = &size
	}
	acct, err := a.AddAccount(ctx, n)
	if errors.Is(err, directory.ErrRehearsed) {
		return nil
	}
	if err != nil || !invite {
		return err
	}
	link, err := a.Invite(ctx, acct.Address)
	if err != nil {
		return fmt.Errorf("the account is made, but not its invitation: %w", err)
	}
	row.Invite = link.URL
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
