package delivery

// Place is where an account gets a message.
type Place uint8

const (
	Inbox Place = iota
	Junk
	// Quarantine is out of sight of mail programs until somebody releases the
	// message.
	Quarantine
)

func (p Place) String() string { return [...]string{"inbox", "junk", "quarantine"}[p] }

// Treatment is what one account gets of a message.
type Treatment struct {
	Place    Place
	Keywords []string // such as $Junk
	// Header is put before the message for this account alone: complete lines
	// ending in CRLF, at most 2 KiB.
	Header []byte
}
