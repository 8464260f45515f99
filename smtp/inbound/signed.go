package inbound

import (
	"sync"

	"github.com/mailstead/mailstead/smtp/arc"
	"github.com/mailstead/mailstead/smtp/dkim"
	"github.com/mailstead/mailstead/smtp/dkim/signature"
)

// signed is what DKIM and ARC share: the header is taken apart once, and the
// body read once for the hashes of both.
type signed struct {
	once       sync.Once
	signatures *dkim.Signatures
	chain      *arc.Chain
}

// signatures returns the signatures of the message, which are not verified
// yet. Checks that run at once may call it.
func (m *Mail) signatures() (*dkim.Signatures, *arc.Chain) {
	m.signed.once.Do(func() {
		message := signature.NewMessage(m.Header, m.Body)
		m.signed.signatures, m.signed.chain = dkim.Parse(message), arc.Parse(message)
	})
	return m.signed.signatures, m.signed.chain
}
