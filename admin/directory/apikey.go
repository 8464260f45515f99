package directory

import (
	"cmp"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Bounds of API keys.
const (
	maxAPIKeys    = 200
	maxKeyScopes  = 50
	maxKeyCIDRs   = 50
	apiKeySize    = 20 // octets of the secret: 160 bits
	apiKeyPrefix  = "mailstead_"
	maxTypedKey   = 128 // octets
	keyPurpose    = "api key"
	unknownKeyLog = "api-key"
)

// APIKey lets a program use the API.
type APIKey struct {
	ID      string
	Label   string
	Role    Role
	Scopes  []string       // what it is limited to; none: all that the role may
	Domains []mail.Domain  // of a RoleDomainAdmin
	CIDRs   []netip.Prefix // where it may be used from; none: everywhere
	Expires time.Time      // zero: never
	Created time.Time
	Creator string // who made it, as the audit log names them

	LastUsed time.Time // as of about now; zero if never
	LastIP   netip.Addr
}

// NewAPIKey is what AddAPIKey needs: Label and Role must be there.
type NewAPIKey struct {
	Label   string
	Role    Role
	Scopes  []string
	Domains []mail.Domain
	CIDRs   []netip.Prefix
	Expires time.Time
}

// ErrKey means that an API key is not good here. The text never says why.
var ErrKey = errors.New("directory: the API key is not valid, has expired, or may not be used from this address")

// apiKey is a key with what is kept of its secret.
type apiKey struct {
	APIKey
	hash secretHash
}

var scopeForm = regexp.MustCompile(`^[a-z][a-z0-9.:*-]{0,63}$`)

// AddAPIKey makes a key. Its text is returned once and cannot be found out
// again.
func (d *Directory) AddAPIKey(ctx context.Context, actor string, n NewAPIKey) (_ APIKey, key string, err error) {
	id, err := d.makeSecret(idSize)
	if err != nil {
		return APIKey{}, "", err
	}
	secret, err := d.makeSecret(apiKeySize)
	if err != nil {
		return APIKey{}, "", err
	}
	k := &apiKey{hash: d.hashSecret(keyPurpose, []byte(id), secret)}
	k.APIKey = APIKey{ID: id, Role: cmp.Or(n.Role, RoleUser), Scopes: slices.Clone(n.Scopes), Domains: slices.Clone(n.Domains), CIDRs: slices.Clone(n.CIDRs),
		Expires: n.Expires.UTC(), Creator: actor}
	if k.Label, err = checkLabel(n.Label); err != nil {
		return APIKey{}, "", err
	}
	err = d.update(ctx, actor, func(c *change) error {
		if err := c.next.checkAPIKey(k, c.now); err != nil {
			return err
		}
		k.Created = c.now.UTC()
		c.next.apiKeys[id] = k
		if err := c.put(bucketAPIKeys, []byte(id), k.record()); err != nil {
			return err
		}
		return c.audit("api-key.add", k.object(), nil, k.public())
	})
	if err != nil {
		return APIKey{}, "", err
	}
	return k.APIKey, apiKeyPrefix + id + "_" + secret, nil
}

// object is how the audit log names a key.
func (k *apiKey) object() string { return k.ID + " " + k.Label }

func (s *snapshot) checkAPIKey(k *apiKey, now time.Time) error {
	switch {
	case len(s.apiKeys) >= maxAPIKeys:
		return invalid("there can be at most %d API keys; remove one that is not used any more", maxAPIKeys)
	case k.Role == RoleUser:
		return invalid("an API key needs a role of its own: support, domain-admin, admin or owner")
	case !k.Expires.IsZero() && !k.Expires.After(now):
		return invalid("the time at which a key ends must be yet to come")
	case len(k.Scopes) > maxKeyScopes:
		return invalid("a key has at most %d scopes", maxKeyScopes)
	case len(k.CIDRs) > maxKeyCIDRs:
		return invalid("a key can be used from at most %d nets", maxKeyCIDRs)
	}
	for _, scope := range k.Scopes {
		if !scopeForm.MatchString(scope) {
			return invalid("%q is not a scope", scope)
		}
	}
	for i, p := range k.CIDRs {
		if !p.IsValid() {
			return invalid("an address or net of the key is not valid; write it as in 192.0.2.0/24")
		}
		k.CIDRs[i] = netip.PrefixFrom(p.Addr().Unmap(), unmappedBits(p)).Masked()
	}
	return s.checkRole(&Account{Address: mail.Path{Local: k.Label}, Role: k.Role, Domains: k.Domains})
}

// unmappedBits is the length of a prefix once its address is unmapped.
func unmappedBits(p netip.Prefix) int {
	if p.Addr().Is4In6() {
		return max(0, p.Bits()-96)
	}
	return p.Bits()
}

// APIKeys returns all keys, the newest first.
func (d *Directory) APIKeys() []APIKey {
	list := []APIKey{}
	for _, k := range d.current.Load().apiKeys {
		list = append(list, d.withKeyUse(k))
	}
	slices.SortFunc(list, func(a, b APIKey) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return list
}

// APIKey returns one key.
func (d *Directory) APIKey(id string) (APIKey, error) {
	if k := d.current.Load().apiKeys[id]; k != nil {
		return d.withKeyUse(k), nil
	}
	return APIKey{}, notFound("there is no API key %q", id)
}

func (d *Directory) withKeyUse(k *apiKey) APIKey {
	view := k.APIKey
	u := d.journal.lastUse(useOfKey(k.ID))
	view.LastUsed, view.LastIP = u.Time, u.IP
	return view
}

// RemoveAPIKey revokes a key at once.
func (d *Directory) RemoveAPIKey(ctx context.Context, actor, id string) error {
	return d.update(ctx, actor, func(c *change) error {
		k := c.next.apiKeys[id]
		if k == nil {
			return notFound("there is no API key %q", id)
		}
		delete(c.next.apiKeys, id)
		if err := c.put(bucketAPIKeys, []byte(id), nil); err != nil {
			return err
		}
		if err := c.put(bucketLastUse, []byte(useOfKey(id)), nil); err != nil {
			return err
		}
		return c.audit("api-key.remove", k.object(), k.public(), nil)
	})
}

// parseAPIKey takes a key apart.
func parseAPIKey(typed string) (id, secret string, ok bool) {
	typed = strings.TrimSpace(typed)
	rest, ok := strings.CutPrefix(typed, apiKeyPrefix)
	if !ok || len(typed) > maxTypedKey {
		return "", "", false
	}
	id, secret, ok = strings.Cut(rest, "_")
	return id, secret, ok && id != "" && secret != ""
}

// VerifyAPIKey returns the key that a program at ip shows, or ErrKey. It takes
// as long for keys that are unknown as for wrong secrets.
func (d *Directory) VerifyAPIKey(typed string, ip netip.Addr) (APIKey, error) {
	id, secret, _ := parseAPIKey(typed)
	k := d.current.Load().apiKeys[id]
	known := k != nil
	if !known {
		k = &apiKey{} // no secret has this hash
	}
	hash := d.hashSecret(keyPurpose, []byte(id), secret)
	right := hmac.Equal(hash[:], k.hash[:])
	ip = ip.Unmap().WithZone("")
	now := d.opts.Now()
	reason := ""
	switch {
	case !known:
		reason = "unknown API key"
	case !right:
		reason = "wrong secret of an API key"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		reason = "API key has expired"
	case !k.allows(ip):
		reason = "API key may not be used from this address"
	}
	if reason != "" {
		d.refuseKey(k, ip, reason)
		return APIKey{}, ErrKey
	}
	d.journal.used(useOfKey(k.ID), use{Time: now.UTC(), IP: ip, Protocol: ProtocolAPI})
	return d.withKeyUse(k), nil
}

func (k *APIKey) allows(ip netip.Addr) bool {
	return len(k.CIDRs) == 0 || slices.ContainsFunc(k.CIDRs, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// refuseKey logs and records. What was typed is not: it may be a secret.
func (d *Directory) refuseKey(k *apiKey, ip netip.Addr, reason string) {
	d.opts.Logger.Info("API key refused", "key", k.ID, "remote", ip, "reason", reason)
	d.recordLogin(LoginEntry{Login: unknownKeyLog, Protocol: ProtocolAPI, IP: ip, AppPassword: k.ID, Label: k.Label, Reason: reason})
}

// apiKeyRecord is a row of api_keys.
type apiKeyRecord struct {
	ID      string         `json:"id"`
	Label   string         `json:"label"`
	Role    Role           `json:"role"`
	Scopes  []string       `json:"scopes,omitempty"`
	Domains []mail.Domain  `json:"domains,omitempty"`
	CIDRs   []netip.Prefix `json:"cidrs,omitempty"`
	Expires time.Time      `json:"expires,omitzero"`
	Created time.Time      `json:"created"`
	Creator string         `json:"creator"`
	Hash    []byte         `json:"hash,omitempty"`
}

func (k *apiKey) record() *apiKeyRecord {
	r := k.public()
	r.Hash = k.hash[:]
	return r
}

// public is the record without what is kept of the secret, for the audit log.
func (k *apiKey) public() *apiKeyRecord {
	return &apiKeyRecord{ID: k.ID, Label: k.Label, Role: k.Role, Scopes: k.Scopes, Domains: k.Domains, CIDRs: k.CIDRs,
		Expires: k.Expires, Created: k.Created, Creator: k.Creator}
}

func (s *snapshot) readAPIKey(_, v []byte) error {
	var r apiKeyRecord
	if err := decode(v, &r); err != nil {
		return err
	}
	k := &apiKey{APIKey: APIKey{ID: r.ID, Label: r.Label, Role: r.Role, Scopes: r.Scopes, Domains: r.Domains, CIDRs: r.CIDRs,
		Expires: r.Expires, Created: r.Created, Creator: r.Creator}}
	if copy(k.hash[:], r.Hash) != len(k.hash) {
		return fmt.Errorf("hash has %d octets", len(r.Hash))
	}
	s.apiKeys[k.ID] = k
	return nil
}
