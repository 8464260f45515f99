package admin

import (
	"context"
	"time"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// queueEvery bounds how often changes of the queue are told.
const queueEvery = time.Second

// Run tells those who watch what happens to mail until ctx is done, and then
// waits for the jobs, which end with it.
func (a *Admin) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, a.stopJobs)
	defer stop()
	defer a.jobs.group.Wait()
	if a.opts.ExportDir != "" {
		a.jobs.group.Go(a.keepExports)
	}
	if a.opts.ImportDir != "" {
		a.resumeImports()
	}
	log, ok := a.opts.Traces.(interface{ Watch() *trace.Watch })
	if !ok {
		<-ctx.Done()
		return nil
	}
	watch := log.Watch()
	defer watch.Close()
	var due <-chan time.Time // when the queue is to be told
	for {
		select {
		case <-ctx.Done():
			return nil
		case s, ok := <-watch.C:
			if !ok {
				return nil
			}
			a.hub.publish(Event{Topic: TopicTraces, Name: "trace.changed", Data: describeTrace(&s), domains: traceDomains(&s), trace: &s})
			if due == nil && s.Direction != "in" {
				due = time.After(queueEvery)
			}
		case <-due:
			due = nil
			a.tellQueue(ctx)
		}
	}
}

// traceDomains are the domains whose admins see a trace.
func traceDomains(s *trace.Summary) []mail.Domain {
	list := []mail.Domain{s.ReversePath.Domain}
	for _, r := range s.Recipients {
		list = append(list, r.Domain)
	}
	return list
}

// QueueSize is how much is in the queue.
type QueueSize struct {
	Messages int       `json:"messages"`
	Oldest   time.Time `json:"oldest,omitzero"`
}

func (a *Admin) tellQueue(ctx context.Context) {
	n, oldest, err := a.opts.Queue.Size(ctx)
	if err != nil {
		return
	}
	a.hub.publish(Event{Topic: TopicQueue, Name: "queue.changed", Data: QueueSize{n, oldest}})
}
