package explain

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// Side says who speaks in a line of a dialogue.
type Side string

const (
	Nobody Side = ""       // not a line of a dialogue
	Client Side = "client" // the side that sends mail
	Server Side = "server" // the side that takes it
)

// Severity says how a line is meant.
type Severity string

const (
	Info Severity = "info"
	OK   Severity = "ok"
	Warn Severity = "warn" // for now, or suspicious
	Fail Severity = "fail" // for good
)

// Line is one line of a story.
type Line struct {
	Time   time.Time
	Kind   trace.Kind
	Text   string            // what happened, or what was said
	Fields map[string]string // of the event

	Side    Side
	Command string // verb of a client's line: "RCPT"
	Code    int    // of a server's line; 0: none
	Status  string // enhanced status code; "" if there is none

	Explain  string // in plain words; "" if Text says it all
	Severity Severity
}

// Story makes the lines of a trace in the order in which things happened.
func Story(t *trace.Trace) []Line {
	s := story{from: t.Direction}
	for i := range t.Events {
		s.add(&t.Events[i])
	}
	slices.SortStableFunc(s.lines, func(a, b Line) int { return a.Time.Compare(b.Time) })
	return s.lines
}

// story is one that is being told. The dialogue of our own port is kept in
// lines of either side; that of an attempt, where we are the client, has
// command and reply in one event.
type story struct {
	from    string // Direction
	command string // the last one of the dialogue
	lines   []Line
}

func (s *story) add(e *trace.Event) {
	l := Line{Time: e.Time, Kind: e.Kind, Text: e.Text, Fields: e.Fields, Severity: Info}
	switch e.Kind {
	case trace.Dialogue:
		s.dialogue(l)
		return
	case trace.Connect:
		l.Explain = s.connect(e)
	case trace.Check:
		explainCheck(&l)
	case trace.Verdict:
		explainVerdict(&l)
	case trace.Route:
		explainRoute(&l)
	case trace.Filed:
		l.Severity = OK
	case trace.Queued:
		l.Explain = "The message is on our disk, and will be handed to the servers of its recipients."
	case trace.Attempt:
		explainAttempt(&l)
	case trace.Report:
		explainReport(&l)
	case trace.Done:
		explainDone(&l)
	}
	l.Text = sentence(l.Text)
	s.lines = append(s.lines, l)
}

// sentence lets a text begin with a capital letter, unless it begins with what
// is not a word: an address, a host, a result.
func sentence(text string) string {
	first, _, _ := strings.Cut(text, " ")
	if strings.ContainsFunc(strings.TrimRight(first, ":,"), func(r rune) bool { return r < 'a' || r > 'z' }) {
		return text
	}
	return upperFirst(text)
}

// connect says what a connection's beginning means.
func (s *story) connect(e *trace.Event) string {
	if s.from == "out" {
		return "A mail program of ours handed the message in."
	}
	if e.Fields["tls"] == "" && e.Fields["protocol"] != "" {
		return "Another server brings mail, without encryption."
	}
	return "Another server brings mail."
}

// dialogue adds the lines of one event.
func (s *story) dialogue(l Line) {
	if text, ok := strings.CutPrefix(l.Text, "C: "); ok {
		s.client(l, text)
		return
	}
	if text, ok := strings.CutPrefix(l.Text, "S: "); ok {
		s.server(l, text, true)
		return
	}
	said, answer, ok := strings.Cut(l.Text, " → ")
	switch {
	case !ok: // "connected to …", "no connection to …"
		if strings.HasPrefix(l.Text, "no connection") {
			l.Severity, l.Explain = Warn, "The host did not answer, or refused the connection. If the domain has others, the next one is tried."
		}
		l.Text = sentence(l.Text)
		s.lines = append(s.lines, l)
	case said == "(connected)": // a line before it says so
		s.command = ""
		s.server(l, answer, false)
	case said == "(TLS handshake)":
		s.handshake(l, strings.Trim(answer, "()"))
	default:
		s.client(l, said)
		s.server(l, answer, false)
	}
}

// handshake adds the end of a TLS handshake: "TLS1.3 … verified", or what went
// wrong.
func (s *story) handshake(l Line, text string) {
	l.Text = text
	switch {
	case !strings.HasPrefix(text, "TLS"):
		l.Severity, l.Explain = Warn, "Encryption could not be agreed on."
	case strings.Contains(text, "unverified"):
		l.Severity, l.Explain = OK, "The connection is encrypted from here on. The certificate proves nothing, and nothing demands that it does."
	default:
		l.Severity, l.Explain = OK, "The connection is encrypted from here on, and the certificate is the right one."
	}
	s.lines = append(s.lines, l)
}

func (s *story) client(l Line, text string) {
	l.Side, l.Text = Client, text
	l.Command, l.Explain = explainCommand(text)
	s.command = l.Command
	if l.Command == "BDAT" && !strings.HasSuffix(strings.ToUpper(text), "LAST") {
		s.command = "BDAT more"
	}
	s.lines = append(s.lines, l)
}

// server adds a reply; ours says that we gave it. The lines of one reply, which
// our transcript has one by one, become one.
func (s *story) server(l Line, text string, ours bool) {
	l.Side, l.Text = Server, text
	r := ParseReply(text)
	if r.Code == 0 { // the end of a connection
		s.lines = append(s.lines, l)
		return
	}
	if n := len(s.lines); n > 0 && s.lines[n-1].Side == Server && isMore(s.lines[n-1].Text, text) {
		s.lines[n-1].Text = joinReply(s.lines[n-1].Text, text)
		return
	}
	l.Code = r.Code
	if r.Status != (mail.Status{}) {
		l.Status = r.Status.String()
	}
	l.Explain, l.Severity = s.explainReply(r, ours)
	s.lines = append(s.lines, l)
}

// isMore reports whether text goes on with a reply whose lines so far are
// before (RFC 5321 section 4.2.1: all but the last have a dash after the code).
func isMore(before, text string) bool {
	return len(before) > 3 && before[3] == '-' && len(text) >= 3 && before[:3] == text[:3]
}

// joinReply puts one more line behind a reply, which keeps the dash until the
// last one.
func joinReply(before, text string) string {
	if len(text) < 4 {
		return text[:3] + " " + before[4:]
	}
	if len(before) > maxReply {
		return before[:3] + text[3:4] + before[4:]
	}
	return before[:3] + text[3:4] + before[4:] + " " + text[4:]
}

// agreedTexts say what a reply of success to a command means.
var agreedTexts = map[string]string{
	"HELO":      "The server says its name.",
	"EHLO":      "The server says its name, and what it can do.",
	"STARTTLS":  "The server is ready to encrypt.",
	"MAIL":      "The sender is fine.",
	"RCPT":      "The recipient is taken.",
	"DATA":      "The message is taken: the server is responsible for it now.",
	"BDAT":      "The message is taken: the server is responsible for it now.",
	"BDAT more": "The piece is taken.",
	"(MESSAGE)": "The message is taken: the server is responsible for it now.",
	"RSET":      "The transaction is dropped.",
}

// explainReply says what a reply means.
func (s *story) explainReply(r Reply, ours bool) (string, Severity) {
	if c := r.class(); c == 2 || c == 3 {
		if text := codeTexts[r.Code]; text != "" && r.Code != 250 && s.command != "STARTTLS" {
			return upperFirst(text) + ".", OK
		}
		if text := agreedTexts[s.command]; text != "" {
			return text, OK
		}
		return "The server agrees.", OK
	}
	who := "The other server"
	if ours {
		who = "This server"
	}
	meaning := StatusText(r.Status)
	if meaning == "" {
		meaning = codeTexts[r.Code]
	}
	if meaning != "" {
		meaning = ": " + meaning
	}
	if r.class() == 4 {
		return who + " says no for now" + meaning + ". The client may try again later.", Warn
	}
	return who + " says no for good" + meaning + ".", Fail
}

func upperFirst(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// explainAttempt says why a delivery attempt ended as it did.
func explainAttempt(l *Line) {
	f := l.Fields
	status, _ := mail.ParseStatus(f["status"])
	r := ParseReply(f["reply"])
	l.Code, l.Status = r.Code, f["status"]
	switch f["result"] {
	case "delivered":
		l.Severity = OK
		l.Explain = "The other server has taken the message, and is responsible for it now."
		if f["tls"] == "" && f["mx"] != "" && f["reply"] != "" {
			l.Explain += " The connection was not encrypted."
		}
		return
	case "deferred":
		l.Severity = Warn
	case "bounced":
		l.Severity = Fail
	default:
		return
	}
	domain := mail.Domain("")
	if p, err := mail.ParseAddress(f["rcpt_to"]); err == nil {
		domain = p.Domain
	}
	said := f["reply"]
	if said == "" { // our own words are in the text alone
		said = l.Text
	}
	c := Explain(Failure{Reply: said, Status: status, Domain: domain, MX: f["mx"]})
	l.Explain = c.Title + ". " + c.Explain
	if l.Severity == Warn {
		l.Explain += " It is tried again."
	} else if c.Fix != "" {
		l.Explain += " " + c.Fix
	}
}

// checkTexts say what the checks ask.
var checkTexts = map[string]string{
	"iprev": "Does the client's address have a name that leads back to it?",
	"spf":   "May this server send for the domain of the envelope (RFC 7208)?",
	"dkim":  "Is there a valid signature of the domain that signed (RFC 6376)?",
	"dmarc": "Does SPF or DKIM stand for the domain that people see in From (RFC 9989)?",
	"arc":   "Did trusted servers on the way find the message authentic (RFC 8617)?",
	"dnsbl": "Is the client on a blocklist?",
	"junk":  "Does the text look like junk that was seen before?",
}

// resultTexts say what results mean (RFC 8601 section 2.7), and how bad they
// are.
var resultTexts = map[string]struct {
	text string
	sev  Severity
}{
	"pass":      {"Yes.", OK},
	"fail":      {"No.", Warn},
	"softfail":  {"Probably not; the domain's owner does not want to be strict.", Warn},
	"policy":    {"It would be valid, but breaks a rule of ours.", Warn},
	"neutral":   {"The domain's owner does not say.", Info},
	"none":      {"There is nothing to check.", Info},
	"temperror": {"It could not be found out now, because of the DNS.", Info},
	"permerror": {"What the domain has published cannot be used.", Warn},

	// Of the rules before a message comes.
	"score":  {"That adds to the score of the message.", Info},
	"refuse": {"The client is refused for it.", Fail},
}

func explainCheck(l *Line) {
	method, _, _ := strings.Cut(l.Text, "=")
	result := resultTexts[l.Fields["result"]]
	question := checkTexts[method]
	if question == "" {
		question = checkTexts[l.Fields["check"]]
	}
	l.Explain = strings.TrimSpace(question + " " + result.text)
	if result.sev != "" {
		l.Severity = result.sev
	}
}

func explainVerdict(l *Line) {
	switch l.Fields["result"] {
	case "inbox", "accept":
		l.Severity, l.Explain = OK, "The message goes to the inbox."
	case "junk":
		l.Severity, l.Explain = Warn, "The message is suspicious and goes to Junk, where its recipient finds it."
	case "quarantine":
		l.Severity, l.Explain = Warn, "The message waits in quarantine, until its recipient or an admin releases it."
	case "refuse":
		l.Severity, l.Explain = Fail, "The message is refused. Its sender hears of that from the other server."
	}
	check, _, _ := strings.Cut(l.Fields["reason"], ":")
	if text := reasonTexts[check]; text != "" {
		l.Explain += " " + text
	}
	if l.Fields["by"] == "score" {
		l.Explain += explainScore(l.Fields[trace.Reasons])
	}
}

// maxReasons is how many reasons of a score are told in words.
const maxReasons = 3

// explainScore says what weighed most in a score.
func explainScore(list string) (text string) {
	var reasons []mail.Reason
	if json.Unmarshal([]byte(list), &reasons) != nil {
		return ""
	}
	told := 0
	for _, r := range reasons { // the heaviest first
		if r.Score > 0 && r.Text != "" && told < maxReasons {
			text += " " + r.Text
			told++
		}
	}
	return text
}

// reasonTexts say why a check spoke against a message, by the check's name.
var reasonTexts = map[string]string{
	"dmarc":    "The owner of the domain in From asks for this when neither SPF nor DKIM pass for it (DMARC). Forwarded mail and mailing lists can fail so too.",
	"loop":     "It has been here before, or went through too many servers: a forwarding leads back to where it began.",
	"spf":      "The domain of the envelope does not allow that server to send for it.",
	"dnsbl":    "The client's address is on a blocklist.",
	"greylist": "Servers send it again by themselves; what sends junk from hijacked machines mostly does not.",
	"list":     "Somebody has put that on the list.",
	"junk":     "Its words are like those of junk that was seen before.",
}

func explainRoute(l *Line) {
	s, err := mail.ParseStatus(l.Fields["status"])
	if err != nil {
		return
	}
	l.Status, l.Severity = s.String(), Fail
	if s.Temporary() {
		l.Severity = Warn
	}
	if text := StatusText(s); text != "" {
		l.Explain = "This recipient was not taken: " + text + "."
	}
}

func explainReport(l *Line) {
	switch l.Fields["action"] {
	case "failed":
		l.Severity, l.Explain = Warn, "The sender gets a report that says who did not get the message, and why."
	case "delayed":
		l.Explain = "The sender is told that the message is late. Nothing has to be done."
	case "delivered", "relayed", "expanded":
		l.Explain = "The sender had asked to hear of success."
	case "dropped":
		l.Explain = "Reports about reports would go on for ever, so there is none."
	}
}

func explainDone(l *Line) {
	s, err := mail.ParseStatus(l.Fields["status"])
	switch {
	case err == nil && s.Class == 2:
		l.Status, l.Severity = s.String(), OK
		l.Explain = "This server has the message on its disk, and is responsible for it now."
	case err == nil:
		l.Status, l.Severity = s.String(), Fail
		if s.Temporary() {
			l.Severity = Warn
		}
		if text := StatusText(s); text != "" {
			l.Explain = "The message was not taken: " + text + "."
		}
	case strings.HasSuffix(l.Text, "delivered"):
		l.Severity = OK
	case strings.HasSuffix(l.Text, "bounced"):
		l.Severity = Fail
	}
}
