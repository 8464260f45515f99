package acmetest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options of a Server.
type Options struct {
	// Fetch gets what is at an http URL, as the authority sees it: up to a few
	// hundred octets.
	Fetch func(ctx context.Context, url string) (string, error)
	Now   func() time.Time
}

// life is how long its certificates are good.
const life = 90 * 24 * time.Hour

// Server is the authority. It answers below the path /acme/; its directory is
// /acme/directory.
type Server struct {
	opts Options
	key  *ecdsa.PrivateKey
	root *x509.Certificate
	mux  *http.ServeMux

	mu       sync.Mutex
	nonces   map[string]bool
	accounts map[string]*ecdsa.PublicKey // by number
	orders   map[string]*order           // by number
	number   int
}

// order is one order for one name or more.
type order struct {
	account string
	names   []string
	tokens  []string // of the challenges, by name
	status  []string // of the authorizations, by name
	problem *problem // of the challenge that failed
	chain   []byte
}

// problem is an error document (RFC 7807).
type problem struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
	Status int    `json:"status"`
}

// New makes an authority with a root of its own.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, key: key, nonces: map[string]bool{}, accounts: map[string]*ecdsa.PublicKey{}, orders: map[string]*order{}}
	tmpl := &x509.Certificate{Subject: pkix.Name{CommonName: "Simulated authority"}, NotBefore: o.Now().Add(-time.Hour), NotAfter: o.Now().Add(10 * life),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	if s.root, err = s.sign(tmpl, tmpl, key.Public()); err != nil {
		return nil, err
	}
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /acme/directory", s.directory)
	s.mux.HandleFunc("/acme/nonce", func(http.ResponseWriter, *http.Request) {})
	for path, answer := range map[string]func(*request) (int, any, error){
		"account": s.newAccount, "order": s.newOrder, "order/{id}": s.showOrder, "order/{id}/finalize": s.finalize,
		"order/{id}/authorization/{n}": s.authorization, "order/{id}/challenge/{n}": s.challenge, "order/{id}/certificate": s.certificate,
	} {
		s.mux.HandleFunc("POST /acme/"+path, func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, answer) })
	}
	return s, nil
}

// Root is the certificate that verifies what the authority signs, as PEM.
func (s *Server) Root() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.root.Raw})
}

// ServeHTTP answers with a fresh nonce each time (RFC 8555 section 6.5.1).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	s.mu.Lock()
	s.nonces[nonce] = true
	s.mu.Unlock()
	w.Header().Set("Replay-Nonce", nonce)
	w.Header().Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

func (s *Server) directory(w http.ResponseWriter, r *http.Request) {
	base := "http://" + r.Host + "/acme/"
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"newNonce": base + "nonce", "newAccount": base + "account", "newOrder": base + "order",
		"meta": map[string]string{"termsOfService": base + "directory"},
	})
}

// request is a signed request whose signature is right.
type request struct {
	*http.Request
	w       http.ResponseWriter
	base    string
	account string // number; "" of one that is to be made
	key     *ecdsa.PublicKey
	payload []byte
}

// maxRequest bounds a request, in octets.
const maxRequest = 64 << 10

// answer checks a request and writes what fn makes of it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, fn func(*request) (int, any, error)) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return // the client is gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	req, err := s.open(r, body)
	status, v := 0, any(nil)
	if err == nil {
		req.w = w
		status, v, err = fn(req)
	}
	if err != nil {
		kind := "malformed"
		if err == errNonce {
			kind = "badNonce"
		}
		w.Header().Set("Content-Type", "application/problem+json")
		status, v = http.StatusBadRequest, problem{"urn:ietf:params:acme:error:" + kind, err.Error(), http.StatusBadRequest}
	}
	if chain, ok := v.([]byte); ok {
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		w.Write(chain)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (s *Server) newAccount(r *request) (int, any, error) {
	var in struct {
		Agreed bool `json:"termsOfServiceAgreed"`
	}
	if err := json.Unmarshal(r.payload, &in); err != nil || !in.Agreed {
		return 0, nil, fmt.Errorf("agree to the terms first")
	}
	s.number++
	id := fmt.Sprint(s.number)
	s.accounts[id] = r.key
	r.w.Header().Set("Location", r.base+"account/"+id)
	return http.StatusCreated, map[string]string{"status": "valid"}, nil
}

func (s *Server) newOrder(r *request) (int, any, error) {
	var in struct {
		Identifiers []struct{ Type, Value string }
	}
	if err := json.Unmarshal(r.payload, &in); err != nil || len(in.Identifiers) == 0 {
		return 0, nil, fmt.Errorf("name what the certificate is for")
	}
	o := &order{account: r.account}
	for _, i := range in.Identifiers {
		if i.Type != "dns" {
			return 0, nil, fmt.Errorf("only names are possible")
		}
		o.names, o.tokens, o.status = append(o.names, strings.ToLower(i.Value)), append(o.tokens, rand.Text()), append(o.status, "pending")
	}
	s.number++
	id := fmt.Sprint(s.number)
	s.orders[id] = o
	r.w.Header().Set("Location", r.base+"order/"+id)
	return http.StatusCreated, o.view(r.base, id), nil
}

func (s *Server) showOrder(r *request) (int, any, error) {
	o, _, err := s.find(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, o.view(r.base, r.PathValue("id")), nil
}

// find returns the order of a request, and which of its names is meant.
func (s *Server) find(r *request) (*order, int, error) {
	o, n := s.orders[r.PathValue("id")], 0
	if o == nil || o.account != r.account {
		return nil, 0, fmt.Errorf("there is no such order")
	}
	if text := r.PathValue("n"); text != "" {
		if _, err := fmt.Sscan(text, &n); err != nil || n < 0 || n >= len(o.names) {
			return nil, 0, fmt.Errorf("there is no such name")
		}
	}
	return o, n, nil
}

// view is an order as clients see it (RFC 8555 section 7.1.3).
func (o *order) view(base, id string) map[string]any {
	at := base + "order/" + id
	v := map[string]any{"status": o.state(), "finalize": at + "/finalize"}
	var names, authorizations []any
	for i, name := range o.names {
		names = append(names, map[string]string{"type": "dns", "value": name})
		authorizations = append(authorizations, fmt.Sprint(at, "/authorization/", i))
	}
	v["identifiers"], v["authorizations"] = names, authorizations
	if o.chain != nil {
		v["certificate"] = at + "/certificate"
	}
	return v
}

func (o *order) state() string {
	state := "ready"
	for _, s := range o.status {
		if s == "invalid" {
			return s
		}
		if s == "pending" {
			state = s
		}
	}
	if o.chain != nil {
		return "valid"
	}
	return state
}

func (s *Server) authorization(r *request) (int, any, error) {
	o, n, err := s.find(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"status": o.status[n], "identifier": map[string]string{"type": "dns", "value": o.names[n]},
		"challenges": []any{o.challengeView(r, n)}}, nil
}

func (o *order) challengeView(r *request, n int) map[string]any {
	v := map[string]any{"type": "http-01", "status": o.status[n], "token": o.tokens[n], "url": fmt.Sprint(r.base, "order/", r.PathValue("id"), "/challenge/", n)}
	if o.problem != nil && o.status[n] == "invalid" {
		v["error"] = o.problem
	}
	return v
}

// challenge looks whether the one who asked has the name (RFC 8555 section
// 8.3).
func (s *Server) challenge(r *request) (int, any, error) {
	o, n, err := s.find(r)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	got, err := s.opts.Fetch(ctx, "http://"+o.names[n]+"/.well-known/acme-challenge/"+o.tokens[n])
	switch {
	case err != nil:
		o.status[n], o.problem = "invalid", &problem{"urn:ietf:params:acme:error:connection", err.Error(), http.StatusBadRequest}
	case strings.TrimSpace(got) != o.tokens[n]+"."+thumbprint(r.key):
		o.status[n], o.problem = "invalid", &problem{"urn:ietf:params:acme:error:unauthorized", fmt.Sprintf("%s answers %.100q", o.names[n], got), http.StatusForbidden}
	default:
		o.status[n] = "valid"
	}
	return http.StatusOK, o.challengeView(r, n), nil
}

// finalize signs what the client asks for, if it has proved all names.
func (s *Server) finalize(r *request) (int, any, error) {
	o, _, err := s.find(r)
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		CSR string `json:"csr"`
	}
	if err := json.Unmarshal(r.payload, &in); err != nil || o.state() != "ready" {
		return 0, nil, fmt.Errorf("the order is %s", o.state())
	}
	der, err := unbase64(in.CSR)
	if err != nil {
		return 0, nil, err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return 0, nil, err
	}
	if err := csr.CheckSignature(); err != nil || strings.Join(csr.DNSNames, " ") != strings.Join(o.names, " ") {
		return 0, nil, fmt.Errorf("the request is for %v, the order for %v: %v", csr.DNSNames, o.names, err)
	}
	leaf, err := s.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: o.names[0]}, DNSNames: o.names, NotBefore: s.opts.Now().Add(-time.Hour), NotAfter: s.opts.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, s.root, csr.PublicKey)
	if err != nil {
		return 0, nil, err
	}
	o.chain = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), s.Root()...)
	r.w.Header().Set("Location", r.base+"order/"+r.PathValue("id"))
	return http.StatusOK, o.view(r.base, r.PathValue("id")), nil
}

func (s *Server) certificate(r *request) (int, any, error) {
	o, _, err := s.find(r)
	if err != nil || o.chain == nil {
		return 0, nil, fmt.Errorf("there is no certificate yet")
	}
	return http.StatusOK, o.chain, nil
}

// sign makes a certificate with a random serial number.
func (s *Server) sign(tmpl, parent *x509.Certificate, pub any) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	tmpl.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, s.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
