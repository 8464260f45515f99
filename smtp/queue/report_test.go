package queue

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// What a report says of an attempt and of the envelope.
func TestReportText(t *testing.T) {
	for _, tt := range []struct {
		name       string
		env        mail.Envelope
		result     Result
		has, lacks []string
	}{
		{"failed", mail.Envelope{EnvID: "my-id", Recipients: []mail.Recipient{{Path: bo, ORcpt: "rfc822;old@example.net"}, {Path: cy}}},
			Result{Err: errNever, Reply: "550 5.1.1 no such user", RemoteName: "mx.example.net"},
			[]string{"Original-Envelope-Id: my-id", "Original-Recipient: rfc822; old@example.net", "bo@example.net", "cy@example.net", "Action: failed",
				"Status: 5.1.1", "550 5.1.1 no such user", "mx.example.net", "Subject: hi", "mx.example.org"}, nil},
		{"the whole message", mail.Envelope{Ret: mail.RetFull, Recipients: []mail.Recipient{{Path: bo}}}, Result{Err: errNever}, []string{"Hello"}, nil},
		{"the header", mail.Envelope{Ret: mail.RetHeaders, Recipients: []mail.Recipient{{Path: bo}}}, Result{Err: errNever}, []string{"Subject: hi"}, []string{"Hello"}},
		{"REQUIRETLS: the header", mail.Envelope{Ret: mail.RetFull, RequireTLS: true, Recipients: []mail.Recipient{{Path: bo}}}, Result{Err: errNever},
			[]string{"Subject: hi"}, []string{"Hello"}},
		{"relayed", mail.Envelope{Recipients: []mail.Recipient{{Path: bo, Notify: mail.NotifySuccess}}}, Result{},
			[]string{"Action: relayed", "Status: 2."}, []string{"Hello"}},
		{"cause that is ours", mail.Envelope{Recipients: []mail.Recipient{{Path: bo}}}, Result{Err: &mail.Error{Status: mail.StatusNullMX, Text: "takes no mail", Err: errSecret}},
			[]string{"Status: 5.1.10", "takes no mail"}, []string{errSecret.Error()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, Options{})
				f.remote.answer = func(d *Delivery, r mail.Recipient) Result {
					if d.Envelope.ReversePath.IsNull() {
						return Result{}
					}
					return tt.result
				}
				f.start()
				tt.env.ReversePath = ana
				f.enqueueEnvelope(tt.env)
				time.Sleep(time.Minute)
				reports := f.remote.to(ana)
				if len(reports) != 1 {
					t.Fatalf("%d reports", len(reports))
				}
				for _, w := range tt.has {
					if !strings.Contains(reports[0].body, w) {
						t.Errorf("no %q", w)
					}
				}
				for _, w := range tt.lacks {
					if strings.Contains(reports[0].body, w) {
						t.Errorf("%q", w)
					}
				}
				if id := string(reports[0].id) + "@mx.example.org"; !strings.Contains(reports[0].body, "Message-ID: <"+id+">") {
					t.Errorf("no Message-ID %s", id)
				}
				if t.Failed() {
					t.Log(reports[0].body)
				}
				f.wantEmpty()
			})
		})
	}
}

// errSecret is a cause that stays in the log.
var errSecret = mail.Errorf(mail.StatusUnclassified, "internal-path-of-the-resolver")
