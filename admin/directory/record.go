package directory

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/sasl"
)

// recordVersion is the first octet of each row that is written. Every version
// ever shipped can be read; testdata has an example of each.
const recordVersion = 1

// domainRecord is a row of domains. Addresses in rows are text, so that a row
// can be read by people, too.
type domainRecord struct {
	Name      string      `json:"name"`
	AliasOf   string      `json:"alias_of,omitempty"`
	CatchAll  string      `json:"catch_all,omitempty"`
	Separator string      `json:"separator,omitempty"`
	Disabled  bool        `json:"disabled,omitempty"`
	AppOnly   bool        `json:"app_passwords_only,omitempty"`
	Created   time.Time   `json:"created"`
	Keys      []keyRecord `json:"keys,omitempty"`
}

type keyRecord struct {
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"`
	PKCS8     []byte    `json:"pkcs8,omitempty"`
	Created   time.Time `json:"created"`
	State     KeyState  `json:"state,omitempty"`
}

type accountRecord struct {
	ID            uint32    `json:"id"`
	Address       string    `json:"address"`
	Name          string    `json:"name,omitempty"`
	Suspended     bool      `json:"suspended,omitempty"`
	QuotaBytes    int64     `json:"quota_bytes,omitempty"`
	QuotaMessages int64     `json:"quota_messages,omitempty"`
	Created       time.Time `json:"created"`

	Role             string   `json:"role,omitempty"` // left out: user
	Domains          []string `json:"domains,omitempty"`
	Forward          []string `json:"forward,omitempty"`
	KeepCopy         bool     `json:"keep_copy,omitempty"`
	AppPasswordsOnly bool     `json:"app_passwords_only,omitempty"`
	Origin           uint32   `json:"origin,omitempty"`
}

type credentialRecord struct {
	Password string       `json:"password"` // argon2id in PHC form
	SCRAM    *scramRecord `json:"scram,omitempty"`
	Changed  time.Time    `json:"changed"`
}

type scramRecord struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  []byte `json:"stored_key"`
	ServerKey  []byte `json:"server_key"`
}

func recordSCRAM(k sasl.SCRAMKeys) scramRecord {
	return scramRecord{Salt: k.Salt, Iterations: k.Iterations, StoredKey: k.StoredKey, ServerKey: k.ServerKey}
}

func (r *scramRecord) keys() sasl.SCRAMKeys {
	return sasl.SCRAMKeys{Salt: r.Salt, Iterations: r.Iterations, StoredKey: r.StoredKey, ServerKey: r.ServerKey}
}

type aliasRecord struct {
	Address string    `json:"address"`
	Targets []string  `json:"targets"`
	Created time.Time `json:"created"`
}

// encode makes a row.
func encode(record any) ([]byte, error) {
	b, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	return append([]byte{recordVersion}, b...), nil
}

// decode reads a row of any version.
func decode(row []byte, record any) error {
	if len(row) == 0 {
		return fmt.Errorf("row is empty")
	}
	if row[0] > recordVersion {
		return fmt.Errorf("row has version %d, this program knows up to %d: it was written by a newer version of Mailstead, use that one", row[0], recordVersion)
	}
	return json.Unmarshal(row[1:], record)
}

// put writes a row, or removes it when record is nil.
func (c *change) put(bucket, key []byte, record any) error {
	c.rows++
	if record == nil {
		return c.tx.Bucket(bucket).Delete(key)
	}
	row, err := encode(record)
	if err != nil {
		return err
	}
	return c.tx.Bucket(bucket).Put(key, row)
}

func accountKey(id uint32) []byte { return binary.BigEndian.AppendUint32(nil, id) }

// text returns an address as it stands in a row; no address is "".
func text(p mail.Path) string { return p.String() }

// parsePath reads what text wrote.
func parsePath(s string) (mail.Path, error) {
	if s == "" {
		return mail.Path{}, nil
	}
	return mail.ParseAddress(s)
}

func parsePaths(list []string) ([]mail.Path, error) {
	paths := make([]mail.Path, 0, len(list))
	for _, s := range list {
		p, err := parsePath(s)
		if err != nil {
			return nil, err
		}
		paths = append(paths, p)
	}
	return paths, nil
}

func texts(paths []mail.Path) []string {
	list := make([]string, len(paths))
	for i, p := range paths {
		list[i] = text(p)
	}
	return list
}

func (d *Domain) record() *domainRecord {
	r := &domainRecord{Name: string(d.Name), AliasOf: string(d.AliasOf), CatchAll: text(d.CatchAll),
		Separator: d.Separator, Disabled: d.Disabled, AppOnly: d.AppPasswordsOnly, Created: d.Created}
	for _, k := range d.Keys {
		r.Keys = append(r.Keys, keyRecord(k))
	}
	return r
}

// public is the record without private keys, for the audit log.
func (r domainRecord) public() *domainRecord {
	keys := make([]keyRecord, len(r.Keys))
	for i, k := range r.Keys {
		k.PKCS8 = nil
		keys[i] = k
	}
	r.Keys = keys
	return &r
}

func (r *domainRecord) domain() (*Domain, error) {
	catchAll, err := parsePath(r.CatchAll)
	if err != nil {
		return nil, err
	}
	d := &Domain{Name: mail.Domain(r.Name), AliasOf: mail.Domain(r.AliasOf), CatchAll: catchAll,
		Separator: r.Separator, Disabled: r.Disabled, AppPasswordsOnly: r.AppOnly, Created: r.Created}
	for _, k := range r.Keys {
		d.Keys = append(d.Keys, DKIMKey(k))
	}
	return d, nil
}

func (a *Account) record() *accountRecord {
	r := &accountRecord{ID: a.ID, Address: text(a.Address), Name: a.Name, Suspended: a.Suspended,
		QuotaBytes: a.QuotaBytes, QuotaMessages: a.QuotaMessages, Created: a.Created,
		Forward: texts(a.Forward), KeepCopy: a.KeepCopy, AppPasswordsOnly: a.AppPasswordsOnly, Origin: a.Origin}
	if a.Role != RoleUser {
		r.Role = string(a.Role)
	}
	for _, d := range a.Domains {
		r.Domains = append(r.Domains, string(d))
	}
	return r
}

func (r *accountRecord) account() (*Account, error) {
	p, err := mail.ParseAddress(r.Address)
	if err != nil {
		return nil, err
	}
	forward, err := parsePaths(r.Forward)
	if err != nil {
		return nil, err
	}
	a := &Account{ID: r.ID, Address: p, Name: r.Name, Suspended: r.Suspended,
		QuotaBytes: r.QuotaBytes, QuotaMessages: r.QuotaMessages, Created: r.Created,
		Role: cmp.Or(Role(r.Role), RoleUser), Forward: forward, KeepCopy: r.KeepCopy, AppPasswordsOnly: r.AppPasswordsOnly, Origin: r.Origin}
	for _, d := range r.Domains {
		a.Domains = append(a.Domains, mail.Domain(d))
	}
	return a, nil
}

func (a *Alias) record() *aliasRecord {
	return &aliasRecord{Address: text(a.Address), Targets: texts(a.Targets), Created: a.Created}
}

func (r *aliasRecord) alias() (*Alias, error) {
	p, err := mail.ParseAddress(r.Address)
	if err != nil {
		return nil, err
	}
	targets, err := parsePaths(r.Targets)
	return &Alias{Address: p, Targets: targets, Created: r.Created}, err
}

// readSnapshot reads all rows.
func readSnapshot(tx *bolt.Tx) (*snapshot, error) {
	s := newSnapshot()
	for _, b := range []struct {
		name []byte
		read func(k, v []byte) error
	}{
		{bucketDomains, s.readDomain},
		{bucketAccounts, s.readAccount},
		{bucketCredentials, s.readCredential},
		{bucketAliases, s.readAlias},
		{bucketSettings, s.readSetting},
		{bucketAppPasswords, s.readAppPassword},
		{bucketAPIKeys, s.readAPIKey},
		{bucketRules, s.readRules},
		{bucketDNSProviders, s.readDNSProvider},
	} {
		err := tx.Bucket(b.name).ForEach(func(k, v []byte) error {
			if err := b.read(k, v); err != nil {
				return fmt.Errorf("%s %q: %w", b.name, k, err)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	s.index()
	return s, nil
}

func (s *snapshot) readDomain(_, v []byte) error {
	var r domainRecord
	if err := decode(v, &r); err != nil {
		return err
	}
	d, err := r.domain()
	if err != nil {
		return err
	}
	s.domains[d.Name] = d
	return nil
}

func (s *snapshot) readAccount(_, v []byte) error {
	var r accountRecord
	if err := decode(v, &r); err != nil {
		return err
	}
	a, err := r.account()
	if err != nil {
		return err
	}
	s.accounts[a.ID] = a
	s.byAddress[a.Address.Key()] = a.ID
	return nil
}

func (s *snapshot) readCredential(k, v []byte) error {
	var r credentialRecord
	if err := decode(v, &r); err != nil {
		return err
	}
	c, err := r.credential()
	if err != nil {
		return err
	}
	if len(k) != 4 {
		return fmt.Errorf("key has %d octets", len(k))
	}
	s.credentials[binary.BigEndian.Uint32(k)] = c
	return nil
}

func (s *snapshot) readAlias(k, v []byte) error {
	var r aliasRecord
	if err := decode(v, &r); err != nil {
		return err
	}
	a, err := r.alias()
	if err != nil {
		return err
	}
	s.aliases[string(k)] = a
	return nil
}

// readSetting keeps settings of a newer version as they are.
func (s *snapshot) readSetting(k, v []byte) error {
	var value string
	if err := decode(v, &value); err != nil {
		return err
	}
	s.settings[string(k)] = value
	return nil
}
