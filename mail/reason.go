package mail

import "fmt"

// Reason is one thing that speaks for a message or against it. What a check
// has to say about a message is a list of them; a verdict is their sum.
type Reason struct {
	// Name is of a closed set, in lower case with dots: "dnsbl.ip",
	// "dmarc.pass", "words", "sender.known".
	Name string `json:"name"`
	// Score is above 0 for what speaks for junk, below for what speaks against
	// it, and 0 for what is only told. 5 alone is enough for Junk.
	Score float64 `json:"score"`
	// Text says it to people in one plain sentence. It has no subject, no
	// words of the message, and no secret.
	Text string `json:"text"`
}

// String returns name and score, as X-Mailstead-Verdict has them.
func (r Reason) String() string { return fmt.Sprintf("%s=%+.1f", r.Name, r.Score) }
