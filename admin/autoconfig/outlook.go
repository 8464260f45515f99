package autoconfig

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// Schemas of Autodiscover (MS-OXDSCLI section 2.2).
const (
	schemaResponse = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
	schemaOutlook  = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

// maxOutlook bounds a request; those of Outlook have about 350 octets.
const maxOutlook = 16 << 10

// outlookRequest is what Outlook posts. Its elements are taken from any name
// space, since clients differ.
type outlookRequest struct {
	Request struct {
		Address string `xml:"EMailAddress"`
		Schema  string `xml:"AcceptableResponseSchema"`
	} `xml:"Request"`
}

// parseOutlook returns the address that a request asks for.
func parseOutlook(body []byte) (address string, err error) {
	if len(body) > maxOutlook {
		return "", fmt.Errorf("an Autodiscover request has at most %d octets", maxOutlook)
	}
	var r outlookRequest
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = nil // UTF-8, or nothing
	if err := d.Decode(&r); err != nil {
		return "", errors.New("the body is no Autodiscover request")
	}
	if schema := strings.TrimSpace(r.Request.Schema); schema != "" && !strings.EqualFold(schema, schemaOutlook) {
		return "", errors.New("only the settings of IMAP and SMTP are known here")
	}
	return strings.TrimSpace(r.Request.Address), nil
}

type outlookResponse struct {
	XMLName  xml.Name        `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response outlookSettings `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a Response"`
}

type outlookSettings struct {
	User    outlookUser    `xml:"User"`
	Account outlookAccount `xml:"Account"`
}

type outlookUser struct {
	DisplayName string `xml:"DisplayName"`
}

type outlookAccount struct {
	Type      string            `xml:"AccountType"`
	Action    string            `xml:"Action"`
	Protocols []outlookProtocol `xml:"Protocol"`
}

type outlookProtocol struct {
	Type         string `xml:"Type"`
	Server       string `xml:"Server"`
	Port         int    `xml:"Port"`
	LoginName    string `xml:"LoginName"`
	SPA          string `xml:"SPA"` // "off": a password, no NTLM
	SSL          string `xml:"SSL"`
	Encryption   string `xml:"Encryption"` // "SSL" or "TLS", which means STARTTLS
	AuthRequired string `xml:"AuthRequired"`
}

// outlook is the answer for one address.
func (s *Service) outlook(setup Setup) ([]byte, error) {
	account := outlookAccount{Type: "email", Action: "settings"}
	for _, service := range []struct {
		kind      string
		endpoints []Endpoint
	}{{"IMAP", setup.IMAP}, {"SMTP", setup.SMTP}} {
		if len(service.endpoints) > 0 { // Outlook takes the first of a kind
			account.Protocols = append(account.Protocols, outlookServer(service.kind, setup.Login, service.endpoints[0]))
		}
	}
	return document(outlookResponse{Response: outlookSettings{User: outlookUser{setup.Address}, Account: account}})
}

func outlookServer(kind, login string, e Endpoint) outlookProtocol {
	encryption := map[Security]string{TLS: "SSL", STARTTLS: "TLS"}[e.Security]
	return outlookProtocol{Type: kind, Server: e.Host, Port: e.Port, LoginName: login, SPA: "off", SSL: "on", Encryption: encryption, AuthRequired: "on"}
}

// outlookFailure is the answer to a request that cannot be served
// (MS-OXDSCLI section 2.2.4.1.1.1).
type outlookFailure struct {
	XMLName xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Code    int      `xml:"Response>Error>ErrorCode"`
	Message string   `xml:"Response>Error>Message"`
}

// invalidRequest is the error code of a request that cannot be served.
const invalidRequest = 600

func outlookRefusal(err error) ([]byte, error) {
	return document(outlookFailure{Code: invalidRequest, Message: err.Error()})
}

// outlookLink is the JSON that leads to the XML.
func outlookLink(url string) ([]byte, error) {
	return json.Marshal(struct{ Protocol, Url string }{"AutodiscoverV1", url})
}
