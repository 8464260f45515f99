package reports

import (
	"net/netip"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/dmarc/aggregate"
	"github.com/mailstead/mailstead/smtp/tlsrpt"
)

// Report is a DMARC report that came.
type Report struct {
	ID       string      `json:"id"`
	Domain   mail.Domain `json:"domain"`           // of ours
	Sender   mail.Domain `json:"sender,omitempty"` // author of the message, if DMARC has proved it
	Received time.Time   `json:"received"`
	Trace    string      `json:"trace,omitempty"` // of the message
	Notes    []string    `json:"notes,omitempty"` // what is odd about it
	// Left is how many rows are not kept; they are counted all the same.
	Left             int `json:"left,omitempty"`
	aggregate.Report `json:"report"`
}

// Verified reports whether it is known whose report it is, so that it counts.
func (r *Report) Verified() bool { return r.Sender != "" }

// TLSReport is a TLS report that came, with what it says of one of our domains.
type TLSReport struct {
	ID            string      `json:"id"`
	Domain        mail.Domain `json:"domain"`
	Sender        mail.Domain `json:"sender,omitempty"`
	Received      time.Time   `json:"received"`
	Trace         string      `json:"trace,omitempty"`
	tlsrpt.Report `json:"report"`
}

// Verified reports whether it is known whose report it is, so that it counts.
func (r *TLSReport) Verified() bool { return r.Sender != "" }

// Counts are numbers of messages.
type Counts struct {
	Messages   int64 `json:"n"`
	Aligned    int64 `json:"a,omitempty"` // passed DMARC
	DKIM       int64 `json:"k,omitempty"` // by DKIM
	SPF        int64 `json:"s,omitempty"` // by SPF
	None       int64 `json:"o,omitempty"` // failed, and nothing was done
	Quarantine int64 `json:"q,omitempty"`
	Reject     int64 `json:"r,omitempty"`
	// Foreign failed, though SPF or DKIM stood for another domain: somebody's
	// service, and not just anybody.
	Foreign int64 `json:"f,omitempty"`
	// Overruled failed, and the receiver knew better: a list, a forwarder.
	Overruled int64 `json:"l,omitempty"`
}

// Add adds others.
func (c *Counts) Add(o Counts) {
	c.Messages += o.Messages
	c.Aligned += o.Aligned
	c.DKIM += o.DKIM
	c.SPF += o.SPF
	c.None += o.None
	c.Quarantine += o.Quarantine
	c.Reject += o.Reject
	c.Foreign += o.Foreign
	c.Overruled += o.Overruled
}

// countRow counts one row of a report.
func countRow(r *aggregate.Row) Counts {
	c := Counts{Messages: r.Count}
	if r.DKIM {
		c.DKIM = r.Count
	}
	if r.SPF {
		c.SPF = r.Count
	}
	switch {
	case r.Aligned():
		c.Aligned = r.Count
		return c
	case r.Disposition == aggregate.DispositionQuarantine:
		c.Quarantine = r.Count
	case r.Disposition == aggregate.DispositionReject:
		c.Reject = r.Count
	default:
		c.None = r.Count
	}
	if foreign(r) {
		c.Foreign = r.Count
	}
	for _, why := range r.Reasons {
		switch why.Type {
		case "mailing_list", "trusted_forwarder", "forwarded":
			c.Overruled = r.Count
		}
	}
	return c
}

// foreign reports whether something of a row was authenticated.
func foreign(r *aggregate.Row) bool {
	for _, d := range r.DKIMResults {
		if d.Result == "pass" && d.Domain != "" {
			return true
		}
	}
	for _, s := range r.SPFResults {
		if s.Result == "pass" && s.Domain != "" {
			return true
		}
	}
	return false
}

// sourceKey is the address of a source in 16 octets; others that are too many
// to be told apart are the unspecified one.
func sourceKey(a netip.Addr) []byte {
	k := a.As16()
	return k[:]
}

func sourceAt(k []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(k)
	return a.Unmap()
}

// others stands for all sources that are not told apart.
var others = netip.IPv6Unspecified()
