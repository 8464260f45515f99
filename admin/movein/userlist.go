package movein

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxUsers bounds a list.
const maxUsers = 5000

// ListFormat is where a list of people comes from.
type ListFormat string

const (
	ListCSV        ListFormat = "csv"        // address, name, quota, aliases
	ListMox        ListFormat = "mox"        // domains.conf of mox
	ListMailInABox ListFormat = "mailinabox" // mail/users and mail/aliases of its API, as JSON or text
	ListMailstead  ListFormat = "mailstead"  // what export --settings writes
	ListByItsLooks ListFormat = "auto"       // one of these
)

// ListEntry is an account or an alias of another mail system.
type ListEntry struct {
	Line    int    // where it is in the text; 0 in JSON
	Address string // "@example.org" is the catch-all of a domain
	Name    string
	Quota   string
	Targets []string // of an alias; none: an account
	LeftOut string   // why it is not to be made
	// Of ListMailstead: all that is known of it. An entry with Domain is one.
	Domain  *PeopleDomain
	Account *PeopleAccount
}

// ParseList reads a list.
func ParseList(format ListFormat, text string) (list []ListEntry, err error) {
	text = strings.TrimPrefix(text, "\ufeff")
	if format == ListByItsLooks || format == "" {
		format = LooksLike(text)
	}
	switch format {
	case ListCSV:
		list, err = parseCSV(text)
	case ListMox:
		list, err = parseMox(text)
	case ListMailInABox:
		list, err = parseMailInABox(text)
	case ListMailstead:
		list, err = parsePeople(text)
	default:
		err = fmt.Errorf("there is no format %q; there are csv, mox, mailinabox and mailstead", format)
	}
	switch {
	case err != nil:
	case len(list) == 0:
		err = errors.New("there is no account in it")
	case len(list) > maxUsers:
		err = fmt.Errorf("it has more than %d accounts and aliases; send it in parts", maxUsers)
	}
	return list, err
}

// LooksLike guesses the format; what is like no other is ListCSV.
func LooksLike(text string) ListFormat {
	trimmed := strings.TrimSpace(text)
	switch {
	case strings.Contains("\n"+text, "\n[[domains]]"), strings.Contains("\n"+text, "\n[[accounts]]"), strings.Contains("\n"+text, "\n[[aliases]]"):
		return ListMailstead
	case strings.HasPrefix(trimmed, "["), strings.HasPrefix(trimmed, "{"):
		return ListMailInABox
	case strings.Contains("\n"+text, "\nAccounts:"), strings.Contains("\n"+text, "\nDomains:"):
		return ListMox
	}
	return ListCSV
}

// CSV reads lines with commas, tabs or semicolons between, as people paste
// them. columns are the names of fields in the order they have without a first
// line that names them; others are passed over. It calls fn for each line that
// has something in its first column.
func CSV(text string, columns []string, fn func(line int, fields map[string]string) error) error {
	text = strings.TrimPrefix(text, "\ufeff")
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.LazyQuotes = -1, true, true
	// What comes first stands between: later ones are part of a password or name.
	first, _, _ := strings.Cut(text, "\n")
	if i := strings.IndexAny(first, ",;\t"); i >= 0 {
		r.Comma = rune(first[i])
	}
	order, begins := columns, true
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the text cannot be read: %w", err)
		}
		line, _ := r.FieldPos(0)
		if head := heading(record, columns); begins && head != nil {
			order = head
		} else if fields := fieldsOf(record, order); fields[columns[0]] != "" {
			if err := fn(line, fields); err != nil {
				return err
			}
		}
		begins = false
	}
}

// heading returns the names of columns if a line has them; nil if it does not.
func heading(record, columns []string) (names []string) {
	is := false
	for _, f := range record {
		name := strings.ToLower(strings.TrimSpace(f))
		if name == "email" {
			name = "address"
		}
		is = is || name == columns[0]
		names = append(names, name)
	}
	if !is {
		return nil
	}
	return names
}

func fieldsOf(record, order []string) map[string]string {
	fields := map[string]string{}
	for i, f := range record {
		if i < len(order) {
			fields[order[i]] = strings.TrimSpace(f)
		}
	}
	return fields
}

// parseCSV reads accounts; aliases have spaces or "|" between.
func parseCSV(text string) (list []ListEntry, err error) {
	err = CSV(text, []string{"address", "name", "quota", "aliases"}, func(line int, f map[string]string) error {
		list = append(list, ListEntry{Line: line, Address: f["address"], Name: f["name"], Quota: f["quota"]})
		for _, alias := range strings.FieldsFunc(f["aliases"], func(r rune) bool { return r == ' ' || r == '|' }) {
			list = append(list, ListEntry{Line: line, Address: alias, Targets: []string{f["address"]}})
		}
		return nil
	})
	return list, err
}

// miabDomain is a domain as Mail-in-a-Box lists its users or aliases.
type miabDomain struct {
	Users []struct {
		Email  string `json:"email"`
		Status string `json:"status"`
	} `json:"users"`
	Aliases []struct {
		Address    string   `json:"address"`
		ForwardsTo []string `json:"forwards_to"`
	} `json:"aliases"`
}

// parseMailInABox reads what mail/users and mail/aliases of its API give: both
// may follow each other, as JSON or as text.
func parseMailInABox(text string) (list []ListEntry, err error) {
	if LooksLike(text) != ListMailInABox {
		return parseMailInABoxText(text), nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var domains []miabDomain
		err := d.Decode(&domains)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("this is not what mail/users?format=json gives: %w", err)
		}
		for _, domain := range domains {
			for _, u := range domain.Users {
				e := ListEntry{Address: u.Email}
				if u.Status == "inactive" {
					e.LeftOut = "it is archived in Mail-in-a-Box"
				}
				list = append(list, e)
			}
			for _, a := range domain.Aliases {
				list = append(list, alias(0, a.Address, a.ForwardsTo))
			}
		}
	}
}

// parseMailInABoxText reads lines: an address, and of an alias where it leads
// behind a tab.
func parseMailInABoxText(text string) (list []ListEntry) {
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		fields := strings.Split(strings.TrimSpace(line), "\t")
		switch {
		case fields[0] == "":
		case len(fields) == 1:
			list = append(list, ListEntry{Line: n, Address: fields[0]})
		default:
			list = append(list, alias(n, fields[0], strings.Split(fields[1], ",")))
		}
	}
	return list
}

// alias makes an entry of an alias.
func alias(line int, address string, to []string) ListEntry {
	e := ListEntry{Line: line, Address: address}
	for _, t := range to {
		if t = strings.TrimSpace(t); t != "" {
			e.Targets = append(e.Targets, t)
		}
	}
	if len(e.Targets) == 0 {
		e.LeftOut = "it leads nowhere"
	}
	return e
}

// moxAccount is an account of mox.
type moxAccount struct {
	line                   int
	domain, name, fullName string
	destinations           []string
}

// parseMox reads the accounts and aliases of a domains.conf: lines with tabs
// before them, one for each level. The first whole address of an account is
// its own, the others become aliases.
func parseMox(text string) (list []ListEntry, err error) {
	var path []string
	var accounts []*moxAccount
	aliases := map[string]*ListEntry{}
	var order []string
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		depth := len(line) - len(strings.TrimLeft(line, "\t"))
		body := strings.TrimSpace(line)
		if body == "" || strings.HasPrefix(body, "#") || depth > len(path) {
			continue
		}
		path = path[:depth]
		if item, ok := strings.CutPrefix(body, "- "); ok {
			if len(path) == 5 && path[0] == "Domains" && path[2] == "Aliases" && path[4] == "Addresses" {
				address := path[3] + "@" + path[1]
				if aliases[address] == nil {
					aliases[address] = &ListEntry{Line: n, Address: address}
					order = append(order, address)
				}
				aliases[address].Targets = append(aliases[address].Targets, item)
			}
			path = append(path, "-")
			continue
		}
		key, value, _ := strings.Cut(body, ":")
		value = strings.TrimSpace(value)
		path = append(path, key)
		if path[0] != "Accounts" {
			continue
		}
		if depth == 1 {
			accounts = append(accounts, &moxAccount{line: n, name: key})
			continue
		}
		if len(accounts) > 0 {
			accounts[len(accounts)-1].field(path[2:], value)
		}
	}
	for _, a := range accounts {
		list = append(list, a.entries()...)
	}
	for _, address := range order {
		list = append(list, *aliases[address])
	}
	return list, nil
}

// field reads one line of an account.
func (a *moxAccount) field(path []string, value string) {
	switch {
	case len(path) == 1 && path[0] == "Domain":
		a.domain = value
	case len(path) == 1 && path[0] == "FullName":
		a.fullName = value
	case len(path) == 2 && path[0] == "Destinations":
		a.destinations = append(a.destinations, path[1])
	}
}

func (a *moxAccount) entries() (list []ListEntry) {
	own := ""
	var others []string
	for _, d := range a.destinations {
		switch {
		case !strings.Contains(d, "@"): // an older form: a local part of the account's domain
			d += "@" + a.domain
		case strings.HasPrefix(d, "@"):
			others = append(others, d)
			continue
		}
		if own == "" {
			own = d
		} else {
			others = append(others, d)
		}
	}
	if own == "" {
		return []ListEntry{{Line: a.line, Address: a.name + "@" + a.domain, LeftOut: "it has no address in mox"}}
	}
	list = append(list, ListEntry{Line: a.line, Address: own, Name: a.fullName})
	for _, o := range others {
		list = append(list, ListEntry{Line: a.line, Address: o, Targets: []string{own}})
	}
	return list
}
