package reports

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/disk"
	"github.com/mailstead/mailstead/smtp/dmarc"
	"github.com/mailstead/mailstead/smtp/dmarc/aggregate"
	"github.com/mailstead/mailstead/smtp/inbound"
)

// Bounds of what is seen of others' mail: anybody can send in many names.
const (
	maxSeenPending  = 10_000 // rows in memory, between two writes
	maxSeenPolicies = 10_000 // on a day
	maxSeenRows     = 1_000  // of a policy domain on a day
	maxSeenDKIM     = 10     // signatures of a message
	maxSeenText     = 100    // octets of a selector
)

// policyKey is a policy domain on a day.
type policyKey struct {
	day    time.Time
	domain mail.Domain
}

// published is a policy as it was seen last, and who wants reports.
type published struct {
	Policy aggregate.Published `json:"policy"`
	URIs   []string            `json:"uris"`
	Rows   int                 `json:"rows"`
	Lost   int64               `json:"lost"` // messages in rows beyond the bound
}

type seenKey struct {
	policyKey
	hash [8]byte
}

// seenRow is a row of a report to be; its Count is what was not written yet.
type seenRow struct{ aggregate.Row }

// Observe counts a message that DMARC was evaluated for, if the domain of its
// author wants reports. It takes no time to speak of. Mail to addresses for
// reports does not count: else two servers would tell each other every day
// about the reports of the day before.
func (b *Book) Observe(m *inbound.Mail, v inbound.Verdict) {
	if b.opts.Send == nil || !b.opts.Send() || b.opts.Disk.Stage() >= disk.Low || v.Action == inbound.Refuse && !v.Status.Permanent() {
		return // what is put off comes again
	}
	if !slices.ContainsFunc(m.Envelope.Recipients, func(r mail.Recipient) bool { return !b.Takes(r.Path) }) {
		return
	}
	today := dayOf(b.opts.Now())
	for i := range m.Findings {
		for j := range m.Findings[i].DMARC {
			r := &m.Findings[i].DMARC[j]
			if uris := mailtos(r.Record.AggregateURIs); len(uris) > 0 && (r.Result == "pass" || r.Result == "fail") {
				b.count(policyKey{today, r.PolicyDomain}, policyOf(r), uris, rowOf(m, v, &m.Findings[i], r))
			}
		}
	}
}

// mailtos are the addresses that want reports; no other way is known to us.
func mailtos(uris []string) (list []string) {
	for _, u := range uris {
		if len(u) > 7 && strings.EqualFold(u[:7], "mailto:") && len(list) < maxDestinations {
			list = append(list, u)
		}
	}
	return list
}

func (b *Book) count(p policyKey, policy aggregate.Published, uris []string, row aggregate.Row) {
	text, err := json.Marshal(row)
	if err != nil { // cannot be
		return
	}
	sum := sha256.Sum256(text)
	key := seenKey{policyKey: p}
	copy(key.hash[:], sum[:])
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.told[p]
	if told == nil {
		if len(b.told) >= maxSeenPolicies {
			return
		}
		told = &published{}
		b.told[p] = told
	}
	told.Policy, told.URIs = policy, uris
	if b.seen[key] == nil {
		if len(b.seen) >= maxSeenPending {
			told.Lost++
			return
		}
		b.seen[key] = &seenRow{row}
	}
	b.seen[key].Count++
}

func policyOf(r *dmarc.Result) aggregate.Published {
	mode := func(strict bool) string {
		if strict {
			return "s"
		}
		return "r"
	}
	rec := &r.Record
	return aggregate.Published{Domain: r.PolicyDomain, Discovery: "treewalk", Policy: rec.Policy, Subdomains: cmp.Or(rec.Subdomains, rec.Policy),
		NonExistent: cmp.Or(rec.NonExistent, rec.Subdomains, rec.Policy), DKIM: mode(rec.StrictDKIM), SPF: mode(rec.StrictSPF),
		Failure: cmp.Or(rec.FailureOptions, "0"), Testing: rec.Testing}
}

// rowOf is the row that a message belongs to, without a count.
func rowOf(m *inbound.Mail, v inbound.Verdict, f *inbound.Finding, r *dmarc.Result) aggregate.Row {
	row := aggregate.Row{Source: m.Client.Addr.Unmap().WithZone(""), HeaderFrom: r.Author, EnvelopeFrom: m.Envelope.ReversePath.Domain}
	for _, id := range r.Aligned {
		row.DKIM = row.DKIM || id.Method == dmarc.DKIM
		row.SPF = row.SPF || id.Method == dmarc.SPF
	}
	row.Disposition, row.Reasons = dispositionOf(m, v, f, r)
	spf := ""
	for i := range m.Findings {
		for _, res := range m.Findings[i].Results {
			switch {
			case res.Method == "dkim" && len(row.DKIMResults) < maxSeenDKIM:
				if d, err := mail.ParseDomain(property(res, "d")); err == nil {
					row.DKIMResults = append(row.DKIMResults, aggregate.DKIMResult{Domain: d, Selector: cut(property(res, "s")), Result: res.Result})
				}
			case res.Method == "spf" && spf == "":
				spf = res.Result
			}
		}
		for _, id := range m.Findings[i].Identifiers {
			if id.Method == dmarc.SPF && id.Domain != "" && spf != "" && row.SPFResults == nil {
				row.SPFResults = []aggregate.SPFResult{{Domain: id.Domain, Scope: "mfrom", Result: spf}}
			}
		}
	}
	// Passing and aligned signatures first (RFC 9990 section 3.1.3).
	slices.SortStableFunc(row.DKIMResults, func(x, y aggregate.DKIMResult) int { return rank(x, r.Author) - rank(y, r.Author) })
	return row
}

func rank(d aggregate.DKIMResult, author mail.Domain) int {
	switch {
	case d.Result != "pass":
		return 3
	case d.Domain == author:
		return 0
	case d.Domain.IsSubdomainOf(author) || author.IsSubdomainOf(d.Domain):
		return 1
	}
	return 2
}

func property(r mail.AuthResult, name string) string {
	for _, p := range r.Props {
		if p.Type == "header" && p.Name == name {
			return p.Value
		}
	}
	return ""
}

func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxSeenText)], "") }

// dispositionOf says what became of a message by the policy, and why where that
// is not what was asked for. Where else it was filed is nobody's business (RFC
// 9990 section 8.3).
func dispositionOf(m *inbound.Mail, v inbound.Verdict, f *inbound.Finding, r *dmarc.Result) (aggregate.Disposition, []aggregate.Reason) {
	if r.Result == "pass" {
		return aggregate.DispositionPass, nil
	}
	done := aggregate.DispositionNone
	switch {
	case f.Action == inbound.Accept || v.Action == inbound.Accept:
	case f.Action == inbound.Refuse && v.Action == inbound.Refuse:
		done = aggregate.DispositionReject
	default:
		done = aggregate.DispositionQuarantine
	}
	switch {
	case string(done) == string(r.Policy):
		return done, nil
	case slices.ContainsFunc(m.Findings, func(f inbound.Finding) bool { return f.Sealer != "" }):
		return done, []aggregate.Reason{{Type: "trusted_forwarder"}}
	case string(done) == string(r.Disposition):
		return done, []aggregate.Reason{{Type: "policy_test_mode"}}
	}
	return done, []aggregate.Reason{{Type: "local_policy"}}
}

// flush writes down what was counted.
func (b *Book) flush() error {
	b.mu.Lock()
	seen, told := b.seen, b.told
	b.seen, b.told = map[seenKey]*seenRow{}, map[policyKey]*published{}
	b.mu.Unlock()
	if len(seen)+len(told) == 0 {
		return nil
	}
	err := b.db.Update(func(tx *bolt.Tx) error { return writeSeen(tx, seen, told) })
	if err != nil {
		b.unflush(seen, told)
	}
	return err
}

// unflush keeps what could not be written for the next time.
func (b *Book) unflush(seen map[seenKey]*seenRow, told map[policyKey]*published) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, p := range told {
		if b.told[k] == nil {
			b.told[k] = p
		}
	}
	for k, r := range seen {
		if have := b.seen[k]; have != nil {
			have.Count += r.Count
		} else if len(b.seen) < maxSeenPending {
			b.seen[k] = r
		}
	}
}

func policyRow(p policyKey) []byte { return append(timeKey(nil, p.day), p.domain...) }

func seenPrefix(p policyKey) []byte { return append(policyRow(p), 0) }

// policiesOf counts the policies of a day up to the bound.
func policiesOf(tx *bolt.Tx, at time.Time) (n int) {
	prefix := timeKey(nil, at)
	c := tx.Bucket(bucketPolicy).Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix) && n < maxSeenPolicies; k, _ = c.Next() {
		n++
	}
	return n
}

func writeSeen(tx *bolt.Tx, seen map[seenKey]*seenRow, told map[policyKey]*published) error {
	policies, rows := tx.Bucket(bucketPolicy), tx.Bucket(bucketSeen)
	known := map[policyKey]*published{}
	room := map[time.Time]int{}
	for k, p := range told {
		if _, ok := room[k.day]; !ok {
			room[k.day] = maxSeenPolicies - policiesOf(tx, k.day)
		}
		if v := policies.Get(policyRow(k)); v != nil {
			var old published
			if err := decode(v, &old); err != nil {
				return err
			}
			known[k] = &published{Policy: p.Policy, URIs: p.URIs, Rows: old.Rows, Lost: old.Lost + p.Lost}
		} else if room[k.day] > 0 {
			room[k.day]--
			known[k] = &published{Policy: p.Policy, URIs: p.URIs, Lost: p.Lost}
		}
	}
	for k, r := range seen {
		p := known[k.policyKey]
		if p == nil {
			continue
		}
		key := append(seenPrefix(k.policyKey), k.hash[:]...)
		row := *r
		if v := rows.Get(key); v != nil {
			var old seenRow
			if err := decode(v, &old); err != nil {
				return err
			}
			row.Count += old.Count
		} else if p.Rows++; p.Rows > maxSeenRows {
			p.Rows--
			p.Lost += r.Count
			continue
		}
		v, err := encode(row)
		if err != nil {
			return err
		}
		if err := rows.Put(key, v); err != nil {
			return err
		}
	}
	for k, p := range known {
		v, err := encode(p)
		if err != nil {
			return err
		}
		if err := policies.Put(policyRow(k), v); err != nil {
			return err
		}
	}
	return nil
}
