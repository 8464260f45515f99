package admin

import (
	"cmp"
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
	Text      string      `json:"text" maxLength:"1000000" doc:"address, host, user, password, port, tls, fingerprint, token, with a first line that names the columns or without; with source.host: address, user, password, token. address is the account here, and the user if there is none. Or a list of accounts as import-people takes it, of mox, Mail-in-a-Box or Mailstead: then source has the rest."`
	Source    *ListSource `json:"source,omitempty" doc:"What is the same in all lines; a line may say otherwise."`
	Flags     bool        `json:"flags,omitempty" doc:"As of a single import."`
	Deletions bool        `json:"deletions,omitempty" doc:"As of a single import."`
	DryRun    bool        `json:"dryRun,omitempty" doc:"Only say what is wrong with the lines; begin nothing."`
}

// ListSource is what the lines of a list have in common.
type ListSource struct {
	Host        string `json:"host,omitempty" maxLength:"253"`
	Port        int    `json:"port,omitempty" minimum:"0" maximum:"65535" doc:"0: 993 with tls, else 143."`
	TLS         string `json:"tls,omitempty" enum:"tls,starttls,none" doc:"tls if absent."`
	Fingerprint string `json:"fingerprint,omitempty" maxLength:"128" doc:"As of a single import."`
	Password    string `json:"password,omitempty" maxLength:"4096" doc:"Of lines without a password and a token. Never shown again."`
	Token       string `json:"token,omitempty" maxLength:"16384" doc:"OAuth access token of such lines, instead of a password. Never shown again."`
	Master      string `json:"master,omitempty" maxLength:"256" doc:"Master user of a Dovecot server, whose password opens all its accounts: each line signs in as user*master."`
	// TokenFile and TokenCommand are as those of an IMAPPlace.
	TokenFile    string   `json:"tokenFile,omitempty" maxLength:"4096" doc:"From the command line only."`
	TokenCommand string   `json:"tokenCommand,omitempty" maxLength:"4096" doc:"From the command line only."`
	Exclude      []string `json:"exclude,omitempty" maxItems:"200" doc:"Folders to leave out, with all below them."`
}

// ImportRow is what came of one line.
type ImportRow struct {
	Line    int    `json:"line" doc:"0 in a list that has no lines."`
	Account string `json:"account"`
	From    string `json:"from,omitempty"`
	Again   bool   `json:"again,omitempty" doc:"It is the next run of an import that there is."`
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
	if err == nil {
		err = a.roomForImport(l.DryRun)
	}
	if err == nil {
		err = a.loadImports()
	}
	if err != nil {
		return ImportListResult{}, err
	}
	s := &listImport{admin: a, who: p, list: &l, lines: map[string]int{}, tokens: map[tokenPlace]error{}, result: ImportListResult{Rows: []ImportRow{}}}
	err = l.accounts(func(line int, f map[string]string) error {
		if len(s.result.Rows) == maxImportRows {
			return fmt.Errorf("at most %d imports are begun at once; send the rest afterwards", maxImportRows)
		}
		s.row(ctx, line, f)
		return ctx.Err()
	})
	if s.result.Started > 0 && !l.DryRun {
		a.tellImports()
	}
	if err == nil && len(s.result.Rows) == 0 {
		err = invalid("there is no line with an account; write one as in ana@example.org,imap.example.com,ana,password")
	}
	if err != nil && len(s.result.Rows) == 0 {
		return s.result, At("text", invalid("%v", err))
	}
	return s.result, err
}

// listImport is one StartImports.
type listImport struct {
	admin  *Admin
	who    Principal
	list   *ImportList
	lines  map[string]int // where an account and its source were named first
	tokens map[tokenPlace]error
	result ImportListResult
}

// tokenPlace is what gives a token; most lines of a list have the same.
type tokenPlace struct{ file, command string }

// token asks for the token of an import, once for all that get it there.
func (s *listImport) token(ctx context.Context, n *NewImport) error {
	place := tokenPlace{n.Source.TokenFile, n.Source.TokenCommand}
	err, asked := s.tokens[place]
	if !asked {
		err = n.checkToken(ctx)
		s.tokens[place] = err
	}
	return err
}

// row begins the import of one line, or says why not.
func (s *listImport) row(ctx context.Context, line int, f map[string]string) {
	row := ImportRow{Line: line, Account: f["address"]}
	n, err := s.list.spec(f)
	if err == nil {
		err = s.admin.checkImport(s.who, &n)
		if n.Source.Port != 0 { // it was looked at
			row.From = n.from()
		}
	}
	if err == nil {
		err = s.token(ctx, &n)
	}
	if err == nil {
		err = s.known(&n, &row)
	}
	if err == nil && !s.list.DryRun {
		var m Import
		m, err = s.admin.startImport(ctx, s.who, n)
		row.Import = m.ID
	}
	if err != nil {
		row.Error = err.Error()
		s.result.Failed++
	} else {
		s.result.Started++
	}
	s.result.Rows = append(s.result.Rows, row)
}

// known refuses what a line before has named, or what is under way, and notes
// what has run before.
func (s *listImport) known(n *NewImport, row *ImportRow) error {
	key := n.Account + "\x00" + n.from()
	line, twice := s.lines[key]
	switch {
	case twice && line == 0:
		return invalid("the list has this account and source already")
	case twice:
		return invalid("line %d has this account and source already", line)
	}
	s.lines[key] = row.Line
	s.admin.imports.mu.Lock()
	defer s.admin.imports.mu.Unlock()
	m := s.admin.imports.same(n)
	if m != nil && m.underWay() {
		return errUnderWay
	}
	row.Again = m != nil
	return nil
}

// accounts calls fn for each account of a list, with what its line says.
func (l *ImportList) accounts(fn func(line int, fields map[string]string) error) error {
	if movein.LooksLike(l.Text) == movein.ListCSV {
		columns := []string{"address", "host", "user", "password", "port", "tls", "fingerprint", "token"}
		if l.Source != nil && l.Source.Host != "" {
			columns = []string{"address", "user", "password", "token"}
		}
		return movein.CSV(l.Text, columns, fn)
	}
	entries, err := movein.ParseList(movein.ListByItsLooks, l.Text)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if len(e.Targets) > 0 || e.Domain != nil || e.LeftOut != "" {
			continue // nobody signs in there
		}
		if err := fn(e.Line, map[string]string{"address": e.Address}); err != nil {
			return err
		}
	}
	return nil
}

// spec is the import that a line asks for.
func (l *ImportList) spec(f map[string]string) (NewImport, error) {
	all := cmp.Or(l.Source, &ListSource{})
	s := &IMAPPlace{Host: cmp.Or(f["host"], all.Host), Port: all.Port, TLS: cmp.Or(strings.ToLower(f["tls"]), all.TLS), User: cmp.Or(f["user"], f["address"]),
		Password: f["password"], Token: f["token"], Fingerprint: cmp.Or(f["fingerprint"], all.Fingerprint), Flags: l.Flags, Deletions: l.Deletions, Exclude: all.Exclude}
	if s.Password == "" && s.Token == "" {
		s.Password, s.Token, s.TokenFile, s.TokenCommand = all.Password, all.Token, all.TokenFile, all.TokenCommand
		if all.Master != "" {
			s.User += "*" + all.Master
		}
	}
	if text := f["port"]; text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return NewImport{}, invalid("%q is not a port", text)
		}
		s.Port = int(n)
	}
	switch {
	case s.Host == "":
		return NewImport{}, invalid("it names no server; name it in the line, or one for all")
	case s.TLS != "" && s.TLS != "tls" && s.TLS != "starttls" && s.TLS != "none":
		return NewImport{}, invalid("%q is not tls, starttls or none", s.TLS)
	case s.Password+s.Token+s.TokenFile+s.TokenCommand == "":
		return NewImport{}, invalid("it has neither a password nor a token; name it in the line, or one for all")
	}
	return NewImport{Kind: ImportIMAP, Account: f["address"], Source: s}, nil
}
