package autoconfig

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"

	"github.com/mailstead/mailstead/mail"
)

// Person is whom a profile is for.
type Person struct {
	Address mail.Path
	Name    string // as in the From field; may be ""
	// Password goes into the profile when there is one: an app password, made
	// for this device. Without it the device asks.
	Password string
}

// ErrUnsigned comes with a profile that could not be signed. It works all the
// same; the device shows it as not verified.
var ErrUnsigned = errors.New("autoconfig: the profile is not signed")

// Profile is a configuration profile (.mobileconfig) that sets up Apple Mail.
// An error that is ErrUnsigned comes with a profile.
func (s *Service) Profile(p Person) ([]byte, error) {
	setup := s.Setup(p.Address)
	if len(setup.IMAP) == 0 || len(setup.SMTP) == 0 {
		return nil, errors.New("autoconfig: there is no IMAP or no submission service")
	}
	id, err := s.identifier()
	if err != nil {
		return nil, err
	}
	plain := appleProfile(p, setup, id)
	signed, err := s.sign(plain)
	if err != nil {
		return plain, fmt.Errorf("%w: %v", ErrUnsigned, err)
	}
	return signed, nil
}

// identifier makes a UUID (RFC 9562 section 5.4).
func (s *Service) identifier() (string, error) {
	var b [16]byte
	if _, err := s.read(b[:]); err != nil {
		return "", fmt.Errorf("autoconfig: random numbers: %w", err)
	}
	return uuid(b), nil
}

func uuid(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// appleProfile writes the property list. Two profiles of one address have the
// same identifiers, so that the newer takes the older's place on a device.
func appleProfile(p Person, setup Setup, id string) []byte {
	name := p.Name
	if name == "" {
		name = p.Address.String()
	}
	sum := sha256.Sum256([]byte("mailstead profile " + p.Address.Key()))
	imap, smtp := setup.IMAP[0], setup.SMTP[0]
	account := dict{
		{"PayloadType", "com.apple.mail.managed"},
		{"PayloadVersion", 1},
		{"PayloadIdentifier", profileID(p.Address) + ".mail"},
		{"PayloadUUID", uuid([16]byte(sum[:16]))},
		{"PayloadDisplayName", "Mail of " + p.Address.Display()},
		{"EmailAccountType", "EmailTypeIMAP"},
		{"EmailAccountName", name},
		{"EmailAccountDescription", p.Address.Display()},
		{"EmailAddress", p.Address.String()},
		{"IncomingMailServerAuthentication", "EmailAuthPassword"},
		{"IncomingMailServerHostName", imap.Host},
		{"IncomingMailServerPortNumber", imap.Port},
		{"IncomingMailServerUseSSL", true},
		{"IncomingMailServerUsername", setup.Login},
		{"OutgoingMailServerAuthentication", "EmailAuthPassword"},
		{"OutgoingMailServerHostName", smtp.Host},
		{"OutgoingMailServerPortNumber", smtp.Port},
		{"OutgoingMailServerUseSSL", true},
		{"OutgoingMailServerUsername", setup.Login},
		{"OutgoingPasswordSameAsIncomingPassword", true},
	}
	if p.Password != "" {
		account = append(account, entry{"IncomingPassword", p.Password})
	}
	var b bytes.Buffer
	b.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n<plist version=\"1.0\">\n")
	dict{
		{"PayloadType", "Configuration"},
		{"PayloadVersion", 1},
		{"PayloadIdentifier", profileID(p.Address)},
		{"PayloadUUID", id},
		{"PayloadDisplayName", "Mail of " + p.Address.Display()},
		{"PayloadDescription", "Sets up mail of " + p.Address.Display() + "."},
		{"PayloadOrganization", string(p.Address.Domain)},
		{"PayloadRemovalDisallowed", false},
		{"PayloadContent", []dict{account}},
	}.write(&b)
	b.WriteString("</plist>\n")
	return b.Bytes()
}

// profileID names the profiles of an address; local-parts may have octets that
// an identifier may not.
func profileID(p mail.Path) string {
	sum := sha256.Sum256([]byte(p.Key()))
	return fmt.Sprintf("mailstead.%s.%x", p.Domain, sum[:8])
}

// dict is a dictionary of a property list, in order.
type dict []entry

type entry struct {
	key   string
	value any // string, int, bool or []dict
}

func (d dict) write(b *bytes.Buffer) {
	b.WriteString("<dict>\n")
	for _, e := range d {
		element(b, "key", e.key)
		switch v := e.value.(type) {
		case string:
			element(b, "string", v)
		case int:
			element(b, "integer", fmt.Sprint(v))
		case bool:
			fmt.Fprintf(b, "<%t/>\n", v)
		case []dict:
			b.WriteString("<array>\n")
			for _, inner := range v {
				inner.write(b)
			}
			b.WriteString("</array>\n")
		}
	}
	b.WriteString("</dict>\n")
}

func element(b *bytes.Buffer, name, text string) {
	b.WriteString("<" + name + ">")
	xml.EscapeText(b, []byte(text)) // a bytes.Buffer takes everything
	b.WriteString("</" + name + ">\n")
}

// sign wraps a profile in a CMS SignedData, made with the server's
// certificate (RFC 5652 section 5).
func (s *Service) sign(plain []byte) ([]byte, error) {
	if s.opts.Signer == nil {
		return nil, errors.New("there is no certificate")
	}
	cert, err := s.opts.Signer()
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	for _, der := range cert.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, errors.New("the certificate is empty")
	}
	data, err := pkcs7.NewSignedData(plain)
	if err != nil {
		return nil, err
	}
	data.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := data.AddSignerChain(chain[0], cert.PrivateKey, chain[1:], pkcs7.SignerInfoConfig{}); err != nil {
		return nil, err
	}
	return data.Finish()
}
