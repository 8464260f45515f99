package dnsprovider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// execHook has a program of the administrator change records:
//
//	PROGRAM add ZONE NAME TYPE TTL VALUE      adds a record
//	PROGRAM remove ZONE NAME TYPE TTL VALUE   removes it; with an empty VALUE all of TYPE at NAME
//	PROGRAM list ZONE                         prints the zone as lines of a zone file, or ends with status 3
//
// NAME is whole. VALUE is as in a zone file, texts in quotes. The secret is in
// the variable MAILSTEAD_SECRET. The program ends with 0, or prints what is
// wrong.
type execHook struct {
	program string
	secret  Secret
}

// execTimeout bounds one run; cannotList is the status of a program that lists
// nothing.
const (
	execTimeout = 2 * time.Minute
	cannotList  = 3
)

func (e *execHook) run(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.program, args...)
	cmd.Env = append(os.Environ(), "MAILSTEAD_SECRET="+string(e.secret))
	cmd.WaitDelay = time.Second
	out, problems := bounded{max: maxAnswer}, bounded{max: maxSaid * 4}
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == cannotList && args[0] == "list" {
		return nil, fmt.Errorf("%w: %s does not", ErrCannotList, e.program)
	}
	if err != nil {
		said := (&client{secret: e.secret}).redact(problems.String() + " " + tailOf(out.String()))
		return nil, fmt.Errorf("%s %s failed (%v): %s", e.program, args[0], err, said)
	}
	return out.Bytes(), nil
}

// bounded keeps the beginning of what is written.
type bounded struct {
	bytes.Buffer
	max int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, b.max-b.Len()))])
	return len(p), nil
}

func tailOf(s string) string { return s[max(0, len(s)-maxSaid):] }

func (e *execHook) each(ctx context.Context, verb, zone string, sets []rrset) error {
	for _, s := range sets {
		values := s.values
		if len(values) == 0 && verb == "remove" {
			values = []string{""}
		}
		for _, v := range values {
			if v != "" {
				v = quoted(s.kind, v)
			}
			if _, err := e.run(ctx, verb, zone, absolute(s.name, zone), s.kind, strconv.Itoa(seconds(s.ttl, 0)), v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *execHook) add(ctx context.Context, zone string, sets []rrset) error {
	return e.each(ctx, "add", zone, sets)
}

func (e *execHook) remove(ctx context.Context, zone string, sets []rrset) error {
	return e.each(ctx, "remove", zone, sets)
}

func (e *execHook) replace(ctx context.Context, zone string, _, sets []rrset) error {
	empty := make([]rrset, len(sets))
	for i, s := range sets {
		empty[i] = rrset{name: s.name, kind: s.kind, ttl: s.ttl}
	}
	if err := e.remove(ctx, zone, empty); err != nil {
		return err
	}
	return e.add(ctx, zone, sets)
}

func (e *execHook) list(ctx context.Context, zone string) ([]rrset, error) {
	out, err := e.run(ctx, "list", zone)
	if err != nil {
		return nil, err
	}
	parser := dns.NewZoneParser(bytes.NewReader(out), dns.Fqdn(zone), "")
	parser.SetDefaultTTL(3600)
	var sets []rrset
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		h := rr.Header()
		s := rrset{name: relative(h.Name, zone), kind: dns.TypeToString[h.Rrtype], ttl: time.Duration(h.Ttl) * time.Second}
		i := find(sets, s)
		if i < 0 {
			sets = append(sets, s)
			i = len(sets) - 1
		}
		sets[i].values = append(sets[i].values, bare(s.kind, strings.TrimPrefix(rr.String(), h.String())))
	}
	if err := parser.Err(); err != nil {
		return nil, fmt.Errorf("%s list: it is not a zone file: %w", e.program, err)
	}
	return sets, nil
}
