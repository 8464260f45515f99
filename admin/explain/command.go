package explain

import "strings"

// commandTexts say what a client wants with a command (RFC 5321 section 4.1.1
// and the extensions named there).
var commandTexts = map[string]string{
	"HELO":     "The client says its name, in the old way.",
	"EHLO":     "The client says its name and asks what the server can do.",
	"STARTTLS": "The client asks to encrypt the connection (RFC 3207).",
	"AUTH":     "The client logs in (RFC 4954). What it sent is not kept.",
	"MAIL":     "The client names the sender: the address that hears of trouble.",
	"RCPT":     "The client names a recipient.",
	"DATA":     "The client wants to send the text of the message.",
	"BDAT":     "The client sends the text of the message in pieces (RFC 3030).",
	"RSET":     "The client drops the transaction.",
	"NOOP":     "The client asks whether the server is still there.",
	"QUIT":     "The client ends the session.",
	"VRFY":     "The client asks whether an address exists.",
	"EXPN":     "The client asks who is on a list.",
	"HELP":     "The client asks for help.",
	"ETRN":     "The client asks for mail that waits for it (RFC 1985).",
	"XCLIENT":  "The client claims to speak for another one.",
	"BURL":     "The client asks the server to fetch the message (RFC 4468).",
	// Not commands, but steps of a dialogue.
	"(MESSAGE)":  "The client has sent the text of the message.",
	"[REDACTED]": "A step of the login. It is not kept.",
}

// parameterTexts say what extensions in MAIL and RCPT ask for.
var parameterTexts = []struct{ word, text string }{
	{"REQUIRETLS", "It asks for encryption all the way (RFC 8689)."},
	{"SMTPUTF8", "Addresses and header may have letters of all languages (RFC 6531)."},
	{"NOTIFY=", "It says when to send delivery reports (RFC 3461)."},
}

// explainCommand says what a line of a client means; verb is its first word.
func explainCommand(line string) (verb, text string) {
	line = strings.TrimSpace(line)
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	text = commandTexts[verb]
	switch {
	case text == "":
		return clipWord(verb), "A command that is not known here."
	case verb == "MAIL" && strings.Contains(rest, "<>"):
		text = "The client names nobody as the sender: this is a report, which nobody is to answer."
	}
	if verb == "MAIL" || verb == "RCPT" {
		upper := strings.ToUpper(rest)
		for _, p := range parameterTexts {
			if strings.Contains(upper, " "+p.word) {
				text += " " + p.text
			}
		}
	}
	return verb, text
}

// clipWord keeps a word that is no command short.
func clipWord(w string) string {
	const most = 20
	if len(w) > most {
		return strings.ToValidUTF8(w[:most], "") + "…"
	}
	return w
}
