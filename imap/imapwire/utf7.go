package imapwire

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// modified is the base64 of RFC 3501 section 5.1.3: "," for "/", no padding,
// and no bits that mean nothing.
func modified() *base64.Encoding {
	return base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
		WithPadding(base64.NoPadding).Strict()
}

// DecodeUTF7 decodes a mailbox name in modified UTF-7. It takes only the one
// correct form of each name, so that two forms never mean the same mailbox.
func DecodeUTF7(s string) (string, error) {
	if strings.IndexByte(s, '&') < 0 {
		return s, checkPrintable(s)
	}
	enc := modified()
	var b strings.Builder
	shifted := false // the last thing was a shift: the next must not be one
	for s != "" {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			i = len(s)
		}
		if i > 0 {
			if err := checkPrintable(s[:i]); err != nil {
				return "", err
			}
			b.WriteString(s[:i])
			s, shifted = s[i:], false
			continue
		}
		end := strings.IndexByte(s, '-')
		switch {
		case end < 0:
			return "", ErrName
		case end == 1: // "&-"
			b.WriteByte('&')
			shifted = false
		case shifted:
			return "", ErrName
		default:
			text, err := decodeShift(enc, s[1:end])
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			shifted = true
		}
		s = s[end+1:]
	}
	return b.String(), nil
}

func checkPrintable(s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return ErrName
		}
	}
	return nil
}

// decodeShift decodes what stands between "&" and "-".
func decodeShift(enc *base64.Encoding, s string) (string, error) {
	raw, err := enc.DecodeString(s)
	if err != nil || len(raw)%2 != 0 || strings.ContainsAny(s, "\r\n") { // the decoder skips line ends
		return "", ErrName
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	runes := utf16.Decode(units)
	for _, r := range runes {
		// What can stand for itself must not be shifted.
		if r >= ' ' && r <= '~' || r == utf8.RuneError {
			return "", ErrName
		}
	}
	return string(runes), nil
}

// AppendUTF7 appends name in modified UTF-7.
func AppendUTF7(b []byte, name string) []byte {
	var units []uint16
	flush := func() {
		if len(units) == 0 {
			return
		}
		raw := make([]byte, 0, 2*len(units))
		for _, u := range units {
			raw = append(raw, byte(u>>8), byte(u))
		}
		b = append(b, '&')
		b = modified().AppendEncode(b, raw)
		b = append(b, '-')
		units = units[:0]
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			units = utf16.AppendRune(units, r)
			continue
		}
		flush()
		b = append(b, byte(r))
		if r == '&' {
			b = append(b, '-')
		}
	}
	flush()
	return b
}
