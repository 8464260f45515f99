package admin

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/admin/movein"
)

// maxImportRows bounds the imports that are begun at once.
const maxImportRows = 1000

// ImportList is accounts of IMAP servers, one in each line.
type ImportList struct {
	Text      string `json:"text" maxLength:"1000000" doc:"address, host, user, password, port, tls, fingerprint, with a first line that names the columns or without; address is the account here."`
	Flags     bool   `json:"flags,omitempty" doc:"As of a single import."`
	Deletions bool   `json:"deletions,omitempty" doc:"As of a single import."`
	DryRun    bool   `json:"dryRun,omitempty" doc:"Only say what is wrong with the lines; begin nothing."`
}

// ImportRow is what came of one line.
type ImportRow struct {
	Line    int    `json:"line"`
	Account string `json:"account"`
	From    string `json:"from,omitempty"`
	Import  string `json:"import,omitempty" doc:"ID of the import that has begun."`
	Error   string `json:"error,omitempty" doc:"Why none has."`
}

// ImportListResult is what came of all lines.
type ImportListResult struct {
	Rows    []ImportRow `json:"rows"`
	Started int         `json:"started"`
	Failed  int         `json:"failed"`
}

// StartImports begins an import for each line of a list. Each stands for
// itself.
func (a *Admin) StartImports(ctx context.Context, l ImportList) (ImportListResult, error) {
	p, err := authorizeSudo(ctx, ChangeSystem)
	if err != nil {
		return ImportListResult{}, err
	}
	result := ImportListResult{Rows: []ImportRow{}}
	columns := []string{"address", "host", "user", "password", "port", "tls", "fingerprint"}
	err = movein.CSV(l.Text, columns, func(line int, f map[string]string) error {
		if len(result.Rows) == maxImportRows {
			return fmt.Errorf("at most %d imports are begun at once; send the rest afterwards", maxImportRows)
		}
		row := ImportRow{Line: line, Account: f["address"]}
		n, err := importOfLine(f, &l)
		if err == nil {
			err = a.importRow(ctx, p, n, &row, l.DryRun)
		}
		if err != nil {
			row.Error = err.Error()
			result.Failed++
		} else {
			result.Started++
		}
		result.Rows = append(result.Rows, row)
		return ctx.Err()
	})
	if err == nil && len(result.Rows) == 0 {
		err = invalid("there is no line with an account; write one as in ana@example.org,imap.example.com,ana,password")
	}
	if err != nil && len(result.Rows) == 0 {
		return result, At("text", invalid("%v", err))
	}
	return result, err
}

// importRow begins the import of one line.
func (a *Admin) importRow(ctx context.Context, p Principal, n NewImport, row *ImportRow, dry bool) error {
	if dry {
		err := a.checkImport(p, &n)
		row.From = n.from()
		return err
	}
	m, err := a.StartImport(ctx, n)
	row.From, row.Import = m.From, m.ID
	return err
}

// importOfLine reads one line.
func importOfLine(f map[string]string, l *ImportList) (NewImport, error) {
	s := &IMAPPlace{Host: f["host"], User: f["user"], Password: f["password"], TLS: strings.ToLower(f["tls"]), Fingerprint: f["fingerprint"], Flags: l.Flags, Deletions: l.Deletions}
	if text := f["port"]; text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return NewImport{}, invalid("%q is not a port", text)
		}
		s.Port = int(n)
	}
	switch s.TLS {
	case "", "tls", "starttls", "none":
	default:
		return NewImport{}, invalid("%q is not tls, starttls or none", s.TLS)
	}
	return NewImport{Kind: ImportIMAP, Account: f["address"], Source: s}, nil
}
