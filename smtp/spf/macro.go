package spf

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxName is how long a name may be; of a longer one, labels are left out at
// the beginning (RFC 7208 section 7.3).
const maxName = 253

// expand makes a name of a domain-spec (RFC 7208 section 7).
func (e *evaluation) expand(spec, domain string) (string, error) {
	if !strings.Contains(spec, "%") {
		return strings.TrimSuffix(spec, "."), nil
	}
	var b strings.Builder
	from := 0
	for _, at := range macro.FindAllStringIndex(spec, -1) {
		b.WriteString(spec[from:at[0]])
		from = at[1]
		switch m := spec[at[0]:at[1]]; m {
		case "%%":
			b.WriteByte('%')
		case "%_":
			b.WriteByte(' ')
		case "%-":
			b.WriteString("%20")
		default:
			value, err := e.expandOne(m[2:len(m)-1], domain)
			if err != nil {
				return "", err
			}
			b.WriteString(value)
		}
	}
	b.WriteString(spec[from:])
	name := strings.TrimSuffix(b.String(), ".")
	for len(name) > maxName {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			break
		}
		name = rest
	}
	return name, nil
}

// expandOne expands what stands between "%{" and "}".
func (e *evaluation) expandOne(m, domain string) (string, error) {
	value, err := e.letter(m[0]|0x20, domain)
	if err != nil {
		return "", err
	}
	rest := m[1:]
	end := 0
	for end < len(rest) && '0' <= rest[end] && rest[end] <= '9' {
		end++
	}
	keep, err := strconv.Atoi(rest[:end])
	switch {
	case end > 0 && (err != nil || keep == 0):
		return "", permanent("macro %%{%.40s} keeps no labels", m)
	case end == 0:
		keep = len(value) + 1
	}
	rest = rest[end:]
	reversed := rest != "" && rest[0]|0x20 == 'r'
	if reversed {
		rest = rest[1:]
	}
	if rest == "" {
		rest = "."
	}
	parts := strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune(rest, c) })
	if reversed {
		slices.Reverse(parts)
	}
	value = strings.Join(parts[max(len(parts)-keep, 0):], ".")
	if 'A' <= m[0] && m[0] <= 'Z' {
		value = strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	}
	return value, nil
}

// letter returns what a macro letter stands for (RFC 7208 section 7.2).
func (e *evaluation) letter(c byte, domain string) (string, error) {
	switch c {
	case 's':
		return e.local + "@" + e.sender, nil
	case 'l':
		return e.local, nil
	case 'o':
		return e.sender, nil
	case 'd':
		return domain, nil
	case 'i':
		return e.dotted(), nil
	case 'h':
		return e.hello, nil
	case 'v':
		if e.addr.Is4() {
			return "in-addr", nil
		}
		return "ip6", nil
	}
	return e.name(domain)
}

// dotted writes the client's address, of IPv6 one digit a label.
func (e *evaluation) dotted() string {
	if e.addr.Is4() {
		return e.addr.String()
	}
	const digits = "0123456789abcdef"
	var b []byte
	for _, octet := range e.addr.As16() {
		b = append(b, digits[octet>>4], '.', digits[octet&15], '.')
	}
	return string(b[:len(b)-1])
}

// name is %{p}: a confirmed name of the client, best that of the domain or
// below it, else "unknown".
func (e *evaluation) name(domain string) (string, error) {
	names, err := e.confirmedNames()
	if err != nil {
		return "", err
	}
	for _, like := range []func(string) bool{
		func(n string) bool { return strings.EqualFold(n, domain) },
		func(n string) bool { return isBelow(n, domain) },
		func(string) bool { return true },
	} {
		if i := slices.IndexFunc(names, like); i >= 0 {
			return names[i], nil
		}
	}
	return "unknown", nil
}
