package directory

import "time"

// Settings of external filters.
const (
	FilterRspamd         TextSetting     = "filter.rspamd"
	FilterRspamdPassword TextSetting     = "filter.rspamd-password"
	FilterRspamdWeight   IntSetting      = "filter.rspamd-weight"
	FilterRspamdFail     TextSetting     = "filter.rspamd-fail"
	FilterClamd          TextSetting     = "filter.clamd"
	FilterClamdFail      TextSetting     = "filter.clamd-fail"
	FilterMilters        TextSetting     = "filter.milters"
	FilterMiltersFail    TextSetting     = "filter.milters-fail"
	FilterTimeout        DurationSetting = "filter.timeout"
	FilterMaxSize        IntSetting      = "filter.max-size"
	FilterParallel       IntSetting      = "filter.parallel"
)

// MaxFilterTimeout is the longest [FilterTimeout]: clients wait ten minutes for
// the reply to a message (RFC 5321 section 4.5.3.2.6).
const MaxFilterTimeout = 5 * time.Minute

// filterDefinitions are the settings of external filters.
func filterDefinitions() []definition {
	return []definition{
		{name: string(FilterRspamd), kind: words, check: checkURL,
			doc: "Ask this rspamd about mail from outside: the address of its normal worker, as in http://127.0.0.1:11333. Empty: none."},
		{name: string(FilterRspamdPassword), kind: words, secret: true,
			doc: "Password of filter.rspamd, if it wants one."},
		{name: string(FilterRspamdWeight), kind: integer, initial: "85", max: 1_000,
			doc: "What a point of rspamd counts in the score of a message, in percent. With 85, the 6 points at which rspamd adds its header are the 5 that make junk."},
		{name: string(FilterRspamdFail), kind: words, initial: "skip", check: oneOf("tempfail", "skip"),
			doc: "When rspamd gives no answer: \"tempfail\" asks the sender to try again later, \"skip\" goes on without it."},
		{name: string(FilterClamd), kind: words, check: checkSocket,
			doc: "Let this ClamAV daemon look at mail from outside, as in unix:/run/clamav/clamd.ctl or 127.0.0.1:3310. Malware is refused. Empty: none."},
		{name: string(FilterClamdFail), kind: words, initial: "tempfail", check: oneOf("tempfail", "skip"),
			doc: "When ClamAV gives no answer: \"tempfail\" asks the sender to try again later, \"skip\" goes on without it."},
		{name: string(FilterMilters), kind: words, check: checkSockets,
			doc: "Show mail from outside to these milters, with spaces between, as in unix:/run/opendmarc/opendmarc.sock 127.0.0.1:8891. Empty: none."},
		{name: string(FilterMiltersFail), kind: words, initial: "tempfail", check: oneOf("tempfail", "skip"),
			doc: "When a milter gives no answer: \"tempfail\" asks the sender to try again later, \"skip\" goes on without it."},
		{name: string(FilterTimeout), kind: duration, initial: "30s", min: int64(time.Second), max: int64(MaxFilterTimeout),
			doc: "How long an external filter may take for a message, waiting for its turn included."},
		{name: string(FilterMaxSize), kind: size, initial: "25 MiB", min: 64 << 10, max: 1 << 30,
			doc: "Larger messages are not shown to rspamd and milters, and of them ClamAV sees the beginning. Its StreamMaxLength must not be less."},
		{name: string(FilterParallel), kind: integer, initial: "10", min: 1, max: 1_000,
			doc: "Messages that one external filter looks at at once; others wait for their turn."},
	}
}
