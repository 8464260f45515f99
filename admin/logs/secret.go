package logs

import "regexp"

const redacted = "[redacted]"

// secretTexts are secrets in a line: the value of a field whose name says so,
// our API keys, what Authorization carries, the password in an address, the
// code of a link, and a command that logs in. Nothing logs those: this is the
// second lock on the door.
var secretTexts = regexp.MustCompile(`(?i)` +
	`([\w.-]*(?:passw|secret|token|credential|authorization|cookie|private)[\w.-]*=)(?:"(?:[^"\\]|\\.)*(?:"|$)|\S+)` +
	`|(mailstead_[0-9a-z]+_)[0-9a-z_-]+` +
	`|\b((?:bearer|basic) )[0-9a-z+/=._~-]{8,}` +
	`|(://[^\s/:@]*:)[^\s/@]+@` +
	`|(/setup/?#)[0-9a-z-]+` +
	`|\b(AUTH(?:ENTICATE)? [0-9A-Z-]+ )[0-9a-z+/=]+`)

// WithoutSecrets is a text with what looks like a secret taken out.
func WithoutSecrets(s string) string {
	return secretTexts.ReplaceAllString(s, "${1}${2}${3}${4}${5}${6}"+redacted)
}
