package qr

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"rsc.io/qr"
)

// TestSVG reads the picture back and compares it with the code, dot by dot.
func TestSVG(t *testing.T) {
	for _, text := range []string{
		"", "0123456789", "HTTPS://MAIL.EXAMPLE.ORG/HELP",
		"otpauth://totp/Mailstead:ana%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Mailstead",
		"müßig <script>&\"'", strings.Repeat("x", 2300),
	} {
		svg, err := SVG(text)
		if err != nil {
			t.Errorf("%.20q: %v", text, err)
			continue
		}
		code, err := qr.Encode(text, qr.M)
		if err != nil {
			t.Fatal(err)
		}
		black := dots(t, svg)
		for y := -quiet; y < code.Size+quiet; y++ {
			for x := -quiet; x < code.Size+quiet; x++ {
				if at := [2]int{x + quiet, y + quiet}; black[at] != code.Black(x, y) {
					t.Fatalf("%.20q: dot %v is black: %v", text, at, black[at])
				}
			}
		}
	}
	if _, err := SVG(strings.Repeat("x", 3000)); err == nil {
		t.Error("3,000 octets fit")
	}
}

// dots returns the black dots of a picture.
func dots(t *testing.T, svg string) map[[2]int]bool {
	t.Helper()
	var picture struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
		ViewBox string   `xml:"viewBox,attr"`
		Paths   []struct {
			D string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(svg), &picture); err != nil || len(picture.Paths) != 2 {
		t.Fatal(picture, err)
	}
	black := map[[2]int]bool{}
	for _, run := range strings.Split(picture.Paths[1].D, "M")[1:] {
		var x, y, width, back int
		if _, err := fmt.Sscanf(run, "%d %dh%dv1h-%dz", &x, &y, &width, &back); err != nil || width != back {
			t.Fatalf("%q: %v", run, err)
		}
		for i := range width {
			black[[2]int{x + i, y}] = true
		}
	}
	return black
}
