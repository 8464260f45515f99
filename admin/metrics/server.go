package metrics

// Services whose connections and logins are counted apart. Ports of one
// protocol count together.
var (
	services  = []string{"smtp", "submission", "imap", "pop3", "sieve", "http"}
	protocols = []string{"imap", "pop3", "submission", "sieve", "web"}
)

// deliveryBounds are the classes of the time from acceptance to delivery, in
// seconds: fine where a person waits, coarse where a server is down.
var deliveryBounds = []float64{
	0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1200, 1800,
	3600, 2 * 3600, 4 * 3600, 8 * 3600, 16 * 3600, 24 * 3600, 48 * 3600, 72 * 3600, 120 * 3600,
}

// Server is what a mail server counts. What has to be asked for is given to
// its Registry with GaugeFunc by whoever knows: queue.size, queue.oldest (age in
// seconds), disk.used, disk.free, certificate.days.
type Server struct {
	*Registry

	MailIn        *Counter // messages accepted on port 25
	MailOut       *Counter // messages accepted from our users
	MailRefused   *Counter // messages and recipients that were refused
	MailJunk      *Counter // accepted on port 25 and filed to Junk
	MailDelivered *Counter // recipients elsewhere whose server took the message
	MailDeferred  *Counter // attempts for a recipient that are to be repeated
	MailBounced   *Counter // recipients elsewhere that were given up
	Delivery      *Histogram
	LoginsOK      *Counters
	LoginsFailed  *Counters
	Connections   *Gauges
}

// New makes the metrics of a mail server, with those of its process.
func New() *Server {
	r := NewRegistry()
	s := &Server{
		Registry:      r,
		MailIn:        r.Counter("mail.in", "Messages accepted from other servers."),
		MailOut:       r.Counter("mail.out", "Messages accepted from users of this server."),
		MailRefused:   r.Counter("mail.refused", "Messages and recipients that were refused."),
		MailJunk:      r.Counter("mail.junk", "Messages accepted from other servers and filed to Junk."),
		MailDelivered: r.Counter("mail.delivered", "Recipients elsewhere whose server has taken the message."),
		MailDeferred:  r.Counter("mail.deferred", "Delivery attempts, by recipient, that are to be repeated."),
		MailBounced:   r.Counter("mail.bounced", "Recipients elsewhere that were given up."),
		Delivery:      r.Histogram("delivery", "Seconds from the acceptance of a message to its delivery to a recipient elsewhere.", deliveryBounds),
		LoginsOK:      r.Counters(Desc{Name: "logins.ok", Help: "Logins that succeeded.", Label: "protocol", Values: protocols}),
		LoginsFailed:  r.Counters(Desc{Name: "logins.failed", Help: "Logins that failed.", Label: "protocol", Values: protocols}),
		Connections:   r.Gauges(Desc{Name: "connections", Help: "Connections that are open.", Label: "service", Values: services}),
	}
	addProcess(r)
	return s
}
