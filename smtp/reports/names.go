package reports

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dmarc/aggregate"
)

// Bounds of the search for names.
const (
	nameBacklog  = 1_000
	nameTimeout  = 5 * time.Second
	nameEvery    = 100 * time.Millisecond // between two look-ups
	nameFresh    = 30 * day
	maxNameTries = 3 // names of one address
)

// sender is a service that many send through, and how its hosts are called.
type sender struct {
	name     string
	suffixes []string
}

// senders are services whose hosts have names that lead back to them. The list
// is short on purpose: it has those that are seen in most reports, and what is
// not in it is shown by its name in the DNS.
var senders = []sender{
	{"Amazon SES", []string{"amazonses.com"}},
	{"Apple iCloud", []string{"icloud.com", "apple.com"}},
	{"Brevo", []string{"sendinblue.com", "brevo.com", "mailin.fr"}},
	{"Fastmail", []string{"messagingengine.com", "fastmail.com"}},
	{"Google", []string{"google.com", "googlemail.com"}},
	{"HubSpot", []string{"hubspotemail.net", "hubspot.com"}},
	{"Mailchimp", []string{"mcsv.net", "mcdlv.net", "rsgsv.net", "mandrillapp.com", "mailchimp.com"}},
	{"Mailgun", []string{"mailgun.net", "mailgun.org"}},
	{"Mailjet", []string{"mailjet.com"}},
	{"Microsoft 365", []string{"protection.outlook.com", "outlook.com"}},
	{"Mimecast", []string{"mimecast.com"}},
	{"Postmark", []string{"mtasv.net", "postmarkapp.com"}},
	{"Proofpoint", []string{"pphosted.com", "ppe-hosted.com"}},
	{"Proton", []string{"protonmail.ch", "proton.ch"}},
	{"Salesforce", []string{"salesforce.com", "exacttarget.com"}},
	{"SendGrid", []string{"sendgrid.net"}},
	{"SparkPost", []string{"sparkpostmail.com"}},
	{"Yahoo", []string{"yahoo.com", "yahoodns.net"}},
	{"Zoho", []string{"zoho.com", "zoho.eu", "zohomail.com"}},
}

// senderOf returns the service that a host belongs to, "" if it is none of
// them.
func senderOf(host string) string {
	for _, s := range senders {
		if slices.ContainsFunc(s.suffixes, func(end string) bool { return mail.Domain(host).IsSubdomainOf(mail.Domain(end)) }) {
			return s.name
		}
	}
	return ""
}

// named is what is known of an address. Name leads back to it; "" is none.
type named struct {
	Name string    `json:"name,omitempty"`
	At   time.Time `json:"at"`
}

// askNames has the sources of a report looked up, as far as there is room:
// what is left out has no name until it is seen again.
func (b *Book) askNames(rows []aggregate.Row) {
	for i := range rows {
		select {
		case b.names <- rows[i].Source:
		default:
			return
		}
	}
}

// findNames looks addresses up until ctx is done.
func (b *Book) findNames(ctx context.Context) {
	pause := time.NewTicker(nameEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case addr := <-b.names:
			if !b.nameIsKnown(addr) {
				b.findName(ctx, addr)
				select {
				case <-ctx.Done():
				case <-pause.C:
				}
			}
		}
	}
}

func (b *Book) nameIsKnown(addr netip.Addr) (known bool) {
	b.db.View(func(tx *bolt.Tx) error {
		var n named
		v := tx.Bucket(bucketName).Get(sourceKey(addr))
		known = v != nil && decode(v, &n) == nil && b.opts.Now().Sub(n.At) < nameFresh
		return nil
	})
	return known
}

// findName keeps the name of an address if that leads back to it: anybody can
// call an address of theirs as they like. DNS trouble leaves it open.
func (b *Book) findName(ctx context.Context, addr netip.Addr) {
	if b.opts.Resolver == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	n := named{At: b.opts.Now().UTC()}
	names, _, err := b.opts.Resolver.PTR(ctx, addr)
	if isTrouble(err) {
		return
	}
	for _, name := range names[:min(len(names), maxNameTries)] {
		back, _, err := b.opts.Resolver.A(ctx, name)
		if isTrouble(err) {
			return
		}
		if d, err := mail.ParseDomain(name); err == nil && slices.Contains(back, addr) {
			n.Name = string(d)
			break
		}
	}
	v, err := encode(n)
	if err == nil {
		err = b.db.Update(func(tx *bolt.Tx) error {
			if tx.Size() > maxFile {
				return nil
			}
			return tx.Bucket(bucketName).Put(sourceKey(addr), v)
		})
	}
	if err != nil {
		b.opts.Logger.Error("keep the name of a source of mail", "err", err)
	}
}

// nameOf reads the name of an address, "" if none is known.
func nameOf(tx *bolt.Tx, addr netip.Addr) string {
	var n named
	if v := tx.Bucket(bucketName).Get(sourceKey(addr)); v == nil || decode(v, &n) != nil {
		return ""
	}
	return strings.ToLower(n.Name)
}
