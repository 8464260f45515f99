package imapserver

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// roleName is a special use and its attribute.
type roleName struct {
	role mailbox.Role
	attr imap.MailboxAttr
}

// roles are those of RFC 6154 section 2 and RFC 8457.
var roles = [...]roleName{
	{mailbox.RoleAll, imap.MailboxAttrAll},
	{mailbox.RoleArchive, imap.MailboxAttrArchive},
	{mailbox.RoleDrafts, imap.MailboxAttrDrafts},
	{mailbox.RoleFlagged, imap.MailboxAttrFlagged},
	{mailbox.RoleImportant, imap.MailboxAttrImportant},
	{mailbox.RoleJunk, imap.MailboxAttrJunk},
	{mailbox.RoleSent, imap.MailboxAttrSent},
	{mailbox.RoleTrash, imap.MailboxAttrTrash},
}

// listPage is how much of an answer may wait for the client to read. It holds
// more than a thousand names, for each page looks through all of them.
const listPage = 256 << 10

// maxPatterns bounds the patterns of one LIST.
const maxPatterns = 20

// listRequest is a LIST with its options (RFC 9051 section 6.3.9).
type listRequest struct {
	patterns []pattern
	root     bool // LIST "" "": only the separator is asked for

	subscribed, recursive, specialUse bool // selection
	returnSubscribed                  bool // children and special uses are always told
	status                            *imap.StatusOptions
	mailboxID                         bool // of status
	extended                          bool // some option was given
	lsub                              bool
}

// listEntry is a name that LIST may show.
type listEntry struct {
	box        mailbox.Mailbox // Name always; the rest if exists
	exists     bool
	subscribed bool
	children   bool
	selected   bool // fits the selection options
	below      bool // one below it does (RECURSIVEMATCH)
	oldName    string
}

// list answers LIST (RFC 9051 section 6.3.9, RFC 5258, RFC 5819, RFC 6154).
func (s *session) list(ctx context.Context, args *imapwire.Decoder) error {
	req, err := s.parseList(args)
	if err != nil {
		return err
	}
	return s.answerList(ctx, req)
}

// lsub answers LSUB (RFC 3501 section 6.3.9).
func (s *session) lsub(ctx context.Context, args *imapwire.Decoder) error {
	reference, ok1 := args.SP().ListMailbox(s.out.UTF8)
	name, ok2 := args.SP().ListMailbox(s.out.UTF8)
	if err := args.End(); err != nil {
		return err
	}
	req := &listRequest{subscribed: true, lsub: true}
	if ok1 && ok2 {
		req.patterns = append(req.patterns, newPattern(reference, name))
	}
	return s.answerList(ctx, req)
}

func (s *session) parseList(args *imapwire.Decoder) (*listRequest, error) {
	req := &listRequest{}
	if args.SP(); args.Peek() == '(' {
		req.extended = true
		args.List(func() { req.selection(args) })
		args.SP()
	}
	reference, ok := args.ListMailbox(s.out.UTF8)
	args.SP()
	add := func() {
		name, valid := args.ListMailbox(s.out.UTF8)
		req.root = valid && name == "" && !req.extended
		p := newPattern(reference, name)
		p.empty = p.empty || !ok || !valid
		if req.patterns = append(req.patterns, p); len(req.patterns) > maxPatterns {
			args.Fail("Too many patterns")
		}
	}
	if args.Peek() == '(' {
		req.extended = true
		args.List(add)
		req.root = false
	} else {
		add()
	}
	if args.TrySP() {
		req.extended = true
		if args.Name() != "RETURN" {
			args.Fail("Expected RETURN")
		}
		args.SP().List(func() { req.returns(args) })
	}
	if req.recursive && !req.subscribed && !req.specialUse {
		args.Fail("RECURSIVEMATCH needs another selection option") // RFC 9051 section 6.3.9.1
	}
	return req, args.End()
}

func (r *listRequest) selection(args *imapwire.Decoder) {
	switch args.Name() {
	case "SUBSCRIBED":
		r.subscribed, r.returnSubscribed = true, true
	case "RECURSIVEMATCH":
		r.recursive = true
	case "SPECIAL-USE":
		r.specialUse = true
	case "REMOTE": // there are none
	default:
		args.Fail("Unknown selection option")
	}
}

func (r *listRequest) returns(args *imapwire.Decoder) {
	switch args.Name() {
	case "SUBSCRIBED":
		r.returnSubscribed = true
	case "CHILDREN", "SPECIAL-USE":
	case "STATUS":
		args.SP()
		items := parseStatusItems(args)
		r.status, r.mailboxID = &items.StatusOptions, items.mailboxID
	default:
		args.Fail("Unknown return option")
	}
}

// answerList writes the names that fit, page by page, each from a snapshot of
// its own: all of them can be more than should wait for a client to read.
func (s *session) answerList(ctx context.Context, req *listRequest) error {
	if req.root {
		s.out.Raw("* LIST (\\Noselect) \"/\" \"\"\r\n")
		return s.ok("")
	}
	if req.status != nil && req.status.HighestModSeq {
		s.condStore = true
	}
	for after, more := "", true; more; {
		err := s.account.View(ctx, func(v *mailbox.View) (err error) {
			after, more, err = s.writePage(v, req, after)
			return err
		})
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if more {
			if err := s.out.Flush(); err != nil {
				return err
			}
		}
	}
	return s.ok("")
}

// writePage writes the names behind after, until it is time to flush. It
// returns the last, and whether there may be more.
func (s *session) writePage(v *mailbox.View, req *listRequest, after string) (last string, more bool, err error) {
	entries, err := listEntries(v)
	if err != nil {
		return "", false, err
	}
	for i := range entries {
		e := &entries[i]
		if after != "" && compareNames(e.box.Name, after) <= 0 || !req.wants(e, entries[i+1:]) {
			continue
		}
		s.writeList(e, req)
		if req.status != nil && e.exists && e.selected {
			if err := s.writeStatus(v, &e.box, statusItems{*req.status, req.mailboxID}); err != nil {
				return "", false, err
			}
		}
		if s.out.Len() >= listPage {
			return e.box.Name, true, nil
		}
	}
	return "", false, nil
}

// listEntries returns all mailboxes, the names that are only subscribed to,
// and those above them, sorted: INBOX first, and what is below a name right
// behind it.
func listEntries(v *mailbox.View) ([]listEntry, error) {
	boxes, err := v.Mailboxes()
	if err != nil {
		return nil, err
	}
	subscribed, err := v.Subscriptions()
	if err != nil {
		return nil, err
	}
	known := make(map[string]int, len(boxes))
	entries := make([]listEntry, 0, len(boxes))
	for _, b := range boxes {
		known[b.Name] = len(entries)
		entries = append(entries, listEntry{box: b, exists: true, subscribed: b.Subscribed})
	}
	for _, name := range subscribed {
		if _, ok := known[name]; !ok {
			known[name] = len(entries)
			entries = append(entries, listEntry{box: mailbox.Mailbox{Name: name}, subscribed: true})
		}
	}
	for _, name := range subscribed { // mailboxes have those above them
		for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name, '/') {
			name = name[:i]
			if _, ok := known[name]; !ok {
				known[name] = len(entries)
				entries = append(entries, listEntry{box: mailbox.Mailbox{Name: name}})
			}
		}
	}
	for _, e := range entries {
		if !e.exists {
			continue
		}
		if i := strings.LastIndexByte(e.box.Name, '/'); i > 0 {
			if parent, ok := known[e.box.Name[:i]]; ok {
				entries[parent].children = true
			}
		}
	}
	slices.SortFunc(entries, func(a, b listEntry) int { return compareNames(a.box.Name, b.box.Name) })
	return entries, nil
}

// compareNames puts "/" before all other octets and INBOX before all other
// names.
func compareNames(a, b string) int {
	if x, y := underInbox(a), underInbox(b); x != y {
		if x {
			return -1
		}
		return 1
	}
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		default:
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

func underInbox(name string) bool { return name == "INBOX" || strings.HasPrefix(name, "INBOX/") }

// wants reports whether e is to be shown; behind are the entries after it.
func (r *listRequest) wants(e *listEntry, behind []listEntry) bool {
	if !r.matches(e.box.Name) {
		return false
	}
	if e.selected = r.selects(e); e.selected && !r.recursive {
		return true
	}
	if !r.recursive && !r.lsub {
		return false
	}
	// RFC 9051 section 6.3.9.3 for RECURSIVEMATCH, RFC 3501 section 6.3.9 for
	// LSUB with "%": a name that is not selected stands for selected ones below
	// it that are not shown themselves.
	prefix := e.box.Name + "/"
	for i := range behind {
		o := &behind[i]
		if !strings.HasPrefix(o.box.Name, prefix) {
			break
		}
		if r.selects(o) && (e.selected || !r.matches(o.box.Name)) {
			e.below = true
			break
		}
	}
	return e.selected || e.below
}

func (r *listRequest) matches(name string) bool {
	return slices.ContainsFunc(r.patterns, func(p pattern) bool { return p.matches(name) })
}

// selects reports whether e fits the selection options.
func (r *listRequest) selects(e *listEntry) bool {
	switch {
	case r.subscribed && !e.subscribed:
		return false
	case !r.subscribed && !e.exists:
		return false
	case r.specialUse && attrOf(e.box.Role) == "":
		return false
	}
	return true
}

func attrOf(r mailbox.Role) imap.MailboxAttr {
	i := slices.IndexFunc(roles[:], func(n roleName) bool { return n.role == r })
	if i < 0 {
		return ""
	}
	return roles[i].attr
}

// writeList writes one LIST or LSUB response (RFC 9051 section 7.3.1).
func (s *session) writeList(e *listEntry, r *listRequest) {
	var attrs []imap.Flag
	add := func(a imap.MailboxAttr) { attrs = append(attrs, imap.Flag(a)) }
	switch {
	case r.lsub:
		if !e.selected || !e.exists {
			add(imap.MailboxAttrNoSelect)
		}
	case !e.exists:
		add(imap.MailboxAttrNonExistent)
	case e.children:
		add(imap.MailboxAttrHasChildren)
	default:
		add(imap.MailboxAttrHasNoChildren)
	}
	if r.returnSubscribed && e.subscribed {
		add(imap.MailboxAttrSubscribed)
	}
	// Special uses are shown to clients that do not ask, too, for they may
	// know only RFC 6154 section 2's plain LIST.
	if a := attrOf(e.box.Role); a != "" && !r.lsub {
		add(a)
	}
	word := "LIST"
	if r.lsub {
		word = "LSUB"
	}
	s.out.Raw("* ").Raw(word).SP().Flags(attrs).Raw(" \"/\" ").Mailbox(e.box.Name)
	switch {
	case e.oldName != "":
		s.out.Raw(" (\"OLDNAME\" (").Mailbox(e.oldName).Raw("))")
	case e.below && r.recursive:
		s.out.Raw(" (\"CHILDINFO\" (").Raw(r.criteria()).Raw("))")
	}
	s.out.CRLF()
}

// criteria names the selection options for CHILDINFO.
func (r *listRequest) criteria() string {
	switch {
	case !r.specialUse:
		return `"SUBSCRIBED"`
	case !r.subscribed:
		return `"SPECIAL-USE"`
	}
	return `"SUBSCRIBED" "SPECIAL-USE"`
}

// entryOf is what LIST would show of a name that was given in any form.
func entryOf(v *mailbox.View, given string) (*listEntry, error) {
	name, err := mailbox.CleanName(given)
	if err != nil {
		return nil, err
	}
	entries, err := listEntries(v)
	if err != nil {
		return nil, err
	}
	e := &listEntry{box: mailbox.Mailbox{Name: name}}
	if i := slices.IndexFunc(entries, func(e listEntry) bool { return e.box.Name == name }); i >= 0 {
		e = &entries[i]
	}
	if !isNormal(given) {
		e.oldName = given
	}
	return e, nil
}

// isNormal reports whether a name was given in the form in which it is kept.
func isNormal(given string) bool {
	name, err := mailbox.CleanName(given)
	return err == nil && given == name || strings.EqualFold(given, "INBOX")
}

// tellNormalized tells a client of IMAP4rev2 under which name a mailbox is
// kept if name, or its old one, was given in another form (RFC 9051 section
// 6.3.9.7).
func (s *session) tellNormalized(ctx context.Context, name, old string) error {
	if !s.rev2 || isNormal(name) && isNormal(old) {
		return nil
	}
	return s.account.View(ctx, func(v *mailbox.View) error {
		e, err := entryOf(v, name)
		if err == nil {
			e.oldName = old
			s.writeList(e, &listRequest{})
		}
		return err
	})
}
