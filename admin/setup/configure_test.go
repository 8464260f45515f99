package setup

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/config"
)

// configured is a world whose configuration can be changed.
type configured struct {
	*world
	choices []config.Choice
	began   int // anew
	fails   error
}

func newConfigured(t *testing.T) *configured {
	w := &configured{world: newWorld(t)}
	w.opts.Mode, w.opts.Terms = config.ModeSelfSigned, "https://authority.example/terms"
	w.opts.Choose = func(choices ...config.Choice) (config.Written, error) {
		w.choices = append(w.choices, choices...)
		return config.Written{File: "/etc/mailstead.toml", Paste: "x"}, w.fails
	}
	w.opts.Reconfigure = func() { w.began++ }
	return w
}

func (w *configured) chosen(field string) any {
	for _, c := range w.choices {
		if c.Field == field {
			return c.Value
		}
	}
	return nil
}

// TestHost: the server is given a name with the first address.
func TestHost(t *testing.T) {
	w := newConfigured(t)
	in := Input{Address: "ana@example.org", Password: "correct horse", Host: "Post.Example.org"}
	for _, bad := range []string{"post", "[192.0.2.1]", "post..example.org", "post.example.org\ndata = 1"} {
		in.Host = bad
		if _, err := w.Answer(t.Context(), You, in); err == nil || len(w.choices) > 0 {
			t.Errorf("%q was taken: %v", bad, w.choices)
		}
	}
	if _, accounts := w.dir.Counts(); accounts != 0 {
		t.Error("a bad name has made an account")
	}
	in.Host = "mail.example.org"
	if v := w.answer(t, You, in); v.Restarting || w.began != 0 || v.Answers.Host != "mail.example.org" {
		t.Errorf("the name it has: %+v", v)
	}
	in.Host = "Post.Example.org"
	v := w.answer(t, You, in)
	if !v.Restarting || w.began != 1 || w.chosen("hostname") != "post.example.org" {
		t.Errorf("another name: %v, %d times, %v", v.Restarting, w.began, w.choices)
	}
	if want := (ConfigurationView{File: "/etc/mailstead.toml", Paste: "x"}); v.Changed == nil || *v.Changed != want {
		t.Errorf("written: %+v", v.Changed)
	}
	w.fails = errors.New("no space left")
	if _, err := w.Answer(t.Context(), You, in); err == nil || !strings.Contains(err.Error(), "no space left") || w.began != 1 {
		t.Errorf("not written: %v", err)
	}
	w.opts.Choose = nil
	if _, err := w.Answer(t.Context(), You, in); err == nil || !strings.Contains(err.Error(), "configuration file") {
		t.Errorf("where it cannot be changed: %v", err)
	}
}

// TestCertificateWaitsForTheName: authorities count tries that fail.
func TestCertificateWaitsForTheName(t *testing.T) {
	w := newConfigured(t)
	w.answer(t, You, Input{Address: "ana@example.org", Password: "correct horse"})
	accept := Input{ACME: &ACME{AcceptTerms: true, Contact: "ana@example.org"}}
	for name, bad := range map[string]ACME{"terms": {}, "contact": {AcceptTerms: true, Contact: "ana"}} {
		if _, err := w.Answer(t.Context(), Certificate, Input{ACME: &bad}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	v := w.answer(t, Certificate, accept)
	if v.Restarting || !v.Certificate.Waits || v.Certificate.Terms != "" || stateOf(v, Certificate) != Waiting {
		t.Errorf("before the name leads here: %+v", v.Certificate)
	}
	if err := w.orderWhenSeen(asSetup(t.Context())); err != nil || len(w.choices) > 0 {
		t.Errorf("ordered without a name: %v, %v", w.choices, err)
	}
	no := true
	if v := w.answer(t, Certificate, Input{OwnCertificate: &no}); v.Certificate.Waits {
		t.Error("it waits although there is to be none")
	}
	w.answer(t, Certificate, accept)
	if err := w.zones.Add("mail.example.org. A 192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if err := w.orderWhenSeen(asSetup(t.Context())); err != nil {
		t.Fatal(err)
	}
	want := []config.Choice{{Field: "tls.mode", Value: "acme"}, {Field: "tls.agree", Value: true}, {Field: "tls.email", Value: "ana@example.org"}}
	if !reflect.DeepEqual(w.choices, want) || w.began != 1 {
		t.Errorf("ordered: %v, begun anew %d times", w.choices, w.began)
	}
	if err := w.orderWhenSeen(asSetup(t.Context())); err != nil || w.began != 1 {
		t.Errorf("ordered again: %v", err)
	}
}

// TestCertificateNow: who knows better than the checks need not wait.
func TestCertificateNow(t *testing.T) {
	w := newConfigured(t)
	w.answer(t, You, Input{Address: "ana@example.org", Password: "correct horse"})
	v := w.answer(t, Certificate, Input{ACME: &ACME{AcceptTerms: true, Now: true}})
	if !v.Restarting || w.chosen("tls.email") != "" || w.chosen("tls.mode") != "acme" {
		t.Errorf("%+v, %v", v.Certificate, w.choices)
	}
}

// TestCertificateAfterTheEnd: what was asked for in the first run is done when
// it is over, too.
func TestCertificateAfterTheEnd(t *testing.T) {
	w := newConfigured(t)
	w.answer(t, You, Input{Address: "ana@example.org", Password: "correct horse"})
	w.answer(t, Certificate, Input{ACME: &ACME{AcceptTerms: true}})
	if _, err := w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.zones.Add("mail.example.org. A 192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if err := w.orderWhenSeen(asSetup(t.Context())); err != nil || w.began != 1 {
		t.Errorf("begun anew %d times, %v", w.began, err)
	}
}
