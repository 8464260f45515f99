// Package metrics counts what a server does: for the charts of the console,
// which look back 90 days, and for Prometheus, which asks now.
//
// A [Registry] holds counters, gauges and histograms with closed sets of label
// values. [New] makes the one of a mail server. Counting is an atomic addition;
// whatever reads a file or walks a list is a gauge that is asked once a minute.
//
// A [Store] writes down once a minute what was counted since, in one
// transaction of a bbolt file of its own, which may be deleted:
//
//	name    name of a series → its number u16
//	1m      start of the minute u64 → row, for 2 days
//	10m     the same by 10 minutes, for 14 days
//	1h      the same by hours, for 90 days
//	day     name, 0, day u64 → a value of those who count in their own way ([Days])
//
// A row has what was counted in its step, the highest value of each gauge, and
// how often each class of a histogram was met. The three buckets are written at
// the same time, so that no later work makes one of the other, and their size
// is bounded by their age. [Store.Query] reads them for a chart.
//
// A series has the name of its metric ("logins.ok"), which is the sum of all
// labels, or the name with a label value ("logins.ok.imap"). A histogram is
// asked for its quantiles: "delivery.p50", "delivery.p95", "delivery.p99".
package metrics
