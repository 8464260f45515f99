package memory

// Part is what a part of the server takes, and may take at most, in octets;
// where things are counted, by what one of them takes as a rule.
type Part struct {
	Name       string
	Used, Most int64
}

// Names are those of the parts, in their order.
func Names() []string {
	return []string{"passwords", "connections", "messages", "databases", "dns", "words"}
}

// Counts is what there is of what a plan limits.
type Counts struct {
	Passwords   int   // that are being checked
	Connections int   // of SMTP and IMAP
	Messages    int64 // octets of messages that come in
	Databases   int   // of accounts that are open
	DNS         int64 // octets of answers that are kept
	Words       int   // of the junk filter, in memory
}

// parts sets what there is against the plan.
func parts(p Plan, c Counts, password int64) []Part {
	used := []int64{int64(c.Passwords) * password, int64(c.Connections) * connectionSize, c.Messages, int64(c.Databases) * databaseSize, c.DNS, int64(c.Words) * wordSize}
	most := []int64{int64(p.PasswordChecks) * password, int64(p.Connections) * connectionSize, p.Intake, int64(p.Databases) * databaseSize, p.DNSCache, int64(p.JunkWords) * wordSize}
	var list []Part
	for i, name := range Names() {
		list = append(list, Part{name, used[i], most[i]})
	}
	return list
}
