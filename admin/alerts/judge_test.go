package alerts

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
	"github.com/mailstead/mailstead/mail/disk"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

var limits = Limits{QueueAge: 4 * hour, QueueSize: 1000, FailedLogins: 100}

func check(id string, group checks.Group, state checks.State) checks.Result {
	return checks.Result{ID: id, Group: group, Title: strings.ToUpper(id), State: state, Saw: "saw " + id, Want: "want", Why: "Why.", Fix: "fix", CheckedAt: noon}
}

func TestJudge(t *testing.T) {
	muted := noon.Add(hour)
	quiet := check("ptr.v4", checks.Names, checks.Fail)
	quiet.MutedUntil = &muted
	for _, tt := range []struct {
		name string
		o    Observations
		want string // ID=state of all that is not ok
	}{
		{"nothing is known", Observations{}, ""},
		{"checks", Observations{Checks: []checks.Result{check("a", checks.Host, checks.OK), check("b", checks.Host, checks.Fail), check("c", checks.Network, checks.Unknown)}},
			"check.b=fail check.c=unknown"},
		{"a muted check", Observations{Checks: []checks.Result{quiet}}, "check.ptr.v4=fail quiet"},
		{"what has its own rule is not told twice", Observations{Checks: []checks.Result{check("queue", checks.Mail, checks.Fail), check("errors", checks.Host, checks.Warn), check("certificates", checks.Names, checks.Warn)}}, ""},
		{"a disk that is full", Observations{Checks: []checks.Result{check("disk", checks.Host, checks.Fail)}}, "disk=fail"},
		{"a disk that is going to be full", Observations{Checks: []checks.Result{check("disk", checks.Host, checks.OK)}, Disk: &Disk{FullAt: noon.Add(10 * day)}}, "disk=warn"},
		{"a disk that has become low since the check", Observations{Checks: []checks.Result{check("disk", checks.Host, checks.OK)}, Disk: &Disk{Stage: disk.Low}}, "disk=warn"},
		{"a disk that has become full since the check", Observations{Checks: []checks.Result{check("disk", checks.Host, checks.Warn)}, Disk: &Disk{Stage: disk.Full}}, "disk=fail"},
		{"soon", Observations{Checks: []checks.Result{check("disk", checks.Host, checks.Warn)}, Disk: &Disk{FullAt: noon.Add(2 * day)}}, "disk=fail"},
		{"much later", Observations{Checks: []checks.Result{check("disk", checks.Host, checks.OK)}, Disk: &Disk{FullAt: noon.Add(90 * day)}}, ""},
		{"certificates", Observations{Host: "mail.a.test", Certificates: []Certificate{
			{Name: "mail.a.test", NotAfter: noon}, {Name: "b.test", NotAfter: noon.Add(10 * day), Renewed: true}, {Name: "c.test", NotAfter: noon.Add(10 * day), Renewed: true, Problem: "no"},
			{Name: "d.test", NotAfter: noon.Add(2 * day), Renewed: true}, {Name: "e.test", NotAfter: noon.Add(-hour)}, {Name: "f.test", NotAfter: noon.Add(10 * day)},
			{Name: "g.test"}, {Name: "h.test", Problem: "no"},
		}}, "certificate.d.test=fail certificate.e.test=fail certificate.c.test=warn certificate.f.test=warn certificate.h.test=warn"},
		{"an empty queue", Observations{Queue: &Queue{}}, ""},
		{"a young queue", Observations{Queue: &Queue{5, noon.Add(-hour)}}, ""},
		{"an old queue", Observations{Queue: &Queue{5, noon.Add(-5 * hour)}}, "queue.age=warn"},
		{"a very old queue", Observations{Queue: &Queue{5, noon.Add(-3 * day)}}, "queue.age=fail"},
		{"a long queue", Observations{Queue: &Queue{1000, noon}}, "queue.size=warn"},
		{"a queue that is neither long nor short", Observations{Queue: &Queue{700, noon}}, "queue.size=unknown"},
		{"a broken store", Observations{QueueTrouble: "failed"}, "store=fail queue.age=unknown queue.size=unknown"},
		{"few failed logins", Observations{Logins: &Logins{Failed: 49}}, ""},
		{"some", Observations{Logins: &Logins{Failed: 50}}, "logins=unknown"},
		{"a storm", Observations{Logins: &Logins{Failed: 100}}, "logins=warn"},
		{"errors", Observations{Errors: 20, LastError: "x"}, "errors=warn"},
		{"fewer errors", Observations{Errors: 5}, "errors=unknown"},
		{"a webhook", Observations{Webhooks: []Webhook{{ID: "x", URL: "https://a.test/", Reason: "no"}}}, "webhook.x=warn"},
		{"a channel just now", Observations{channels: []channelState{{id: "x", failing: noon.Add(-time.Minute)}}}, "channel.x=unknown"},
		{"a channel", Observations{channels: []channelState{{id: "x", failing: noon.Add(-hour)}, {id: "y"}}}, "channel.x=warn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Now = noon
			var got []string
			for _, f := range Judge(tt.o, limits) {
				if f.State == checks.OK {
					continue
				}
				text := f.ID + "=" + string(f.State)
				if f.quiet {
					text += " quiet"
				}
				got = append(got, text)
				if severity(f.State) > 0 && (f.Saw == "" || f.How == "" || f.Fix == "" || f.Title == "") {
					t.Errorf("%s does not say all: %+v", f.ID, f)
				}
			}
			if text := strings.Join(got, " "); text != tt.want {
				t.Errorf("found %q, want %q", text, tt.want)
			}
		})
	}
}

func TestRulesCanBeOff(t *testing.T) {
	o := Observations{Now: noon, Queue: &Queue{9999, noon.Add(-9 * day)}, Logins: &Logins{Failed: 9999}}
	for _, f := range Judge(o, Limits{}) {
		if severity(f.State) > 0 {
			t.Errorf("%s is %s with all rules off", f.ID, f.State)
		}
	}
}

func TestManyFindingsAreCounted(t *testing.T) {
	o := Observations{Now: noon}
	for i := range 120 {
		state := checks.Warn
		if i == 77 {
			state = checks.Fail
		}
		o.Checks = append(o.Checks, check(fmt.Sprintf("dns.%03d.test", i), checks.Names, state))
	}
	o.Checks = append(o.Checks, check("clock", checks.Host, checks.OK))
	bad, good := []Finding{}, 0
	for _, f := range Judge(o, limits) {
		if severity(f.State) > 0 {
			bad = append(bad, f)
		} else if f.ID == "check.clock" {
			good++
		}
	}
	if len(bad) != maxFindings+1 || bad[0].ID != "check.dns.077.test" || bad[maxFindings].ID != "others" || !strings.HasPrefix(bad[maxFindings].Saw, "70 more") || good != 1 {
		t.Errorf("%d findings, first %s, last %+v, %d good", len(bad), bad[0].ID, bad[len(bad)-1], good)
	}
}
