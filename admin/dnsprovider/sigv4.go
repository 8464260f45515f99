package dnsprovider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// signature signs requests to Amazon's services: Signature Version 4
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html).
type signature struct {
	key     string
	secret  Secret
	region  string
	service string
	now     func() time.Time
}

// sign adds the headers that say who asks.
func (s *signature) sign(req *http.Request, body []byte) {
	now := s.now().UTC()
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	req.Header.Set("X-Amz-Date", stamp)
	const headers = "host;x-amz-date"
	sum := sha256.Sum256(body)
	request := strings.Join([]string{
		req.Method, req.URL.EscapedPath(), canonicalQuery(req), "host:" + req.URL.Host + "\nx-amz-date:" + stamp + "\n", headers, hex.EncodeToString(sum[:]),
	}, "\n")
	scope := day + "/" + s.region + "/" + s.service + "/aws4_request"
	sum = sha256.Sum256([]byte(request))
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	k := []byte("AWS4" + string(s.secret))
	for _, part := range []string{day, s.region, s.service, "aws4_request"} {
		k = mac(k, part)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.key+"/"+scope+", SignedHeaders="+headers+", Signature="+hex.EncodeToString(mac(k, text)))
}

// canonicalQuery is the query in the order of its names, with %20 for spaces.
func canonicalQuery(req *http.Request) string {
	return strings.ReplaceAll(req.URL.Query().Encode(), "+", "%20")
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
