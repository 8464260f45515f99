package reports

import (
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/mail"
)

// Bounds of a verdict.
const (
	enoughMessages = 20  // that passed; fewer say nothing
	enoughDays     = 7   // with reports
	aFew           = 50  // one of so many may fail before a source is called partly aligned
	maxSpoken      = 3   // sources in a sentence
	spokenName     = 100 // octets of a name
)

// Verdict says in words how a domain stands, and whether its policy can become
// stricter.
type Verdict struct {
	State string `json:"state" enum:"no-reports,too-little,fix-first,safe,done"`
	Text  string `json:"text"`
	Next  string `json:"next,omitempty" enum:"quarantine,reject,end-test" doc:"What is safe to do: the next policy, or to take t=y away."`
}

// judge says what a source means for the domain.
func (s *Source) judge(domain mail.Domain) {
	failed := s.Messages - s.Aligned - s.counts.Overruled
	d := domain.Unicode()
	switch {
	case failed <= s.Messages/aFew && s.Aligned > 0:
		s.State, s.Text = "aligned", "Its mail passes."
	case s.Aligned == 0 && failed <= s.Messages/aFew:
		s.State, s.Text = "forwarded", "A mailing list or forwarder, as the receivers say, which breaks SPF and DKIM on the way. Nothing to do."
	case s.Kind == "this-server":
		s.State, s.Text = "unaligned", "Mail of this server did not pass. See whether the DKIM and SPF records are right: `mailstead domain check "+string(domain)+"`."
		if s.Aligned > 0 {
			s.State = "partly"
		}
	case s.Aligned > 0:
		s.State, s.Text = "partly", fmt.Sprintf("Some of its mail passes, %d messages did not. A forwarder does this; a service of yours should sign all of its mail with DKIM as %s.", failed, d)
	case s.counts.Foreign > 0 && s.Kind == "service":
		s.State, s.Text = "unaligned", fmt.Sprintf("If %s sends for you, set up DKIM there for %s, so that it signs with your domain. If not, somebody else uses your name.", s.Name, d)
	case s.counts.Foreign > s.counts.Messages/2:
		s.State, s.Text = "unaligned", fmt.Sprintf("It stands for a domain of its own, not for %s: a forwarder, or a service. If it sends for you, let it sign with DKIM as %[1]s.", d)
	default:
		s.State, s.Text = "forged", "Neither SPF nor DKIM stands for it: most likely forged. Nothing to do; a strict policy has such mail refused."
	}
}

// judge makes the verdict of all sources. What is forged or was forwarded does
// not speak against a stricter policy; a service that could be one's own does.
func (s *Summary) judge() {
	v := &s.Verdict
	var trouble, forged int64
	var who []string
	for i := range s.Sources {
		src := &s.Sources[i]
		switch src.State {
		case "unaligned", "partly":
			if src.Kind == "this-server" || src.Kind == "service" || src.State == "partly" {
				trouble += src.Messages - src.Aligned - src.counts.Overruled
				who = append(who, fmt.Sprintf("%s (%d)", speak(src.Name), src.Messages-src.Aligned-src.counts.Overruled))
			} else {
				forged += src.Messages
			}
		case "forged":
			forged += src.Messages
		}
	}
	passed := fmt.Sprintf("%d of %s passed on %s", s.Total.Aligned, messages(s.Total.Messages), plural(len(s.Days), "day", "days"))
	switch {
	case s.Policy == nil:
		v.State, v.Text = "no-reports", "No report that counts has come about this time. They begin to come a day or two after the DMARC record asks for them (rua=)."
		return
	case s.Total.Aligned < enoughMessages || len(s.Days) < enoughDays:
		v.State, v.Text = "too-little", passed+": not enough to say. Wait until a week of reports and some mail are there."
		return
	case trouble > s.Total.Aligned/aFew:
		v.State, v.Text = "fix-first", fmt.Sprintf("Not yet: %s that may be yours did not pass, from %s. Let these sign with DKIM for your domain first.",
			messages(trouble), strings.Join(who[:min(len(who), maxSpoken)], ", "))
		return
	}
	rest := ""
	if forged > 0 {
		rest = fmt.Sprintf("; %s look forged", messages(forged))
	}
	s.Verdict = s.Policy.next(passed + rest)
}

// next is the step after a policy under which all is well.
func (p *Policy) next(why string) Verdict {
	switch {
	case p.Testing:
		return Verdict{"safe", "Safe to end the test (take t=y away): " + why + ".", "end-test"}
	case p.P == "reject":
		return Verdict{"done", "All is well at p=reject: " + why + ".", ""}
	case p.P == "quarantine":
		return Verdict{"safe", "Safe to go to p=reject: " + why + ".", "reject"}
	}
	return Verdict{"safe", "Safe to go to p=quarantine: " + why + ".", "quarantine"}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func speak(name string) string {
	if len(name) > spokenName {
		return name[:spokenName] + "…"
	}
	return name
}
