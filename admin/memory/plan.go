package memory

// Least is the limit below which the server works, but has no room to spare: it
// needs that much with one person who logs in while mail comes.
const Least = 96 << 20

// What is not shared out.
const (
	outsideLeast = 16 << 20 // beside the heap: buffers of sockets, threads
	outsidePart  = 8        // or this part of all, if that is more
	baseline     = 32 << 20 // of the heap: what a server needs that does nothing
)

// What one of a kind takes in memory, in octets, rounded up from what was
// measured; docs/install.md has a table of it.
const (
	connectionSize = 48 << 10  // one that is idle, with TLS, or busy without
	databaseSize   = 32 << 10  // an open database of an account, beside its pages
	wordSize       = 28        // a word that the junk filter knows
	deliverySize   = 128 << 10 // an attempt to deliver to another server
	intakeWeight   = 3         // octets that messages take on their way in for each that is held
)

// Sizes that are enough: what is given where there is plenty. Without one it is
// whatever the settings allow.
const (
	dnsCacheMost  = 16 << 20
	junkWordsMost = 400_000
	intakeMost    = 16 << 20
	databasesMost = 1024
)

// Sizes without which a part is of no use.
const (
	dnsCacheLeast    = 1 << 20
	junkWordsLeast   = 40_000
	intakeLeast      = 1 << 20
	databasesLeast   = 32
	connectionsLeast = 64
	deliveriesLeast  = 8
)

// Plan says what each part of the server may take.
type Plan struct {
	Limit
	Heap int64 // octets that Go's collector is to stay under

	PasswordChecks int   // at a time
	Connections    int   // of SMTP and IMAP together
	Intake         int64 // octets of messages that come in
	Databases      int   // of accounts that are open
	Deliveries     int   // to other servers, at a time
	DNSCache       int64 // octets
	JunkWords      int   // of accounts, in memory
}

// Machine is what a plan depends on besides the limit.
type Machine struct {
	Processors int
	Password   int64 // octets that checking one password takes
}

// For divides a limit; one that nobody knows is taken for plenty.
func For(limit Limit, m Machine) Plan {
	n := limit.Bytes
	if n == 0 {
		n = 8 << 30
	}
	return withHeap(limit, n-max(outsideLeast, n/outsidePart), m)
}

// ForHeap divides what somebody has given to the heap (GOMEMLIMIT).
func ForHeap(heap Limit, m Machine) Plan {
	all := heap
	all.Bytes += max(outsideLeast, heap.Bytes/(outsidePart-1))
	return withHeap(all, heap.Bytes, m)
}

// withHeap divides a heap. A quarter of it is for garbage: the collector must
// have time to come round. Passwords come first, because all else can wait for
// those who log in; the rest goes to the others in fixed parts.
func withHeap(limit Limit, heap int64, m Machine) Plan {
	p := Plan{Limit: limit, Heap: max(heap, Least/2)}
	room := max(0, p.Heap-p.Heap/4-baseline)
	p.PasswordChecks = int(min(max(1, room*3/10/max(1, m.Password)), int64(max(1, m.Processors))))
	room = max(0, room-int64(p.PasswordChecks)*m.Password)
	part := func(percent int64) int64 { return room / 100 * percent }
	p.Connections = int(max(connectionsLeast, part(45)/connectionSize))
	p.Intake = between(intakeLeast, part(25)/intakeWeight, intakeMost)
	p.Databases = int(between(databasesLeast, part(10)/databaseSize, databasesMost))
	p.Deliveries = int(max(deliveriesLeast, part(10)/deliverySize))
	p.DNSCache = between(dnsCacheLeast, part(6), dnsCacheMost)
	p.JunkWords = int(between(junkWordsLeast, part(4)/wordSize, junkWordsMost))
	return p
}

// between is n within bounds.
func between(least, n, most int64) int64 { return min(max(least, n), most) }
