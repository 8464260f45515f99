package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

// Changed says with how many something was done.
type Changed struct {
	Changed int `json:"changed" doc:"Number of messages."`
}

func (s *Server) queueRoutes() {
	type list struct {
		Paging
		admin.QueueMatch
	}
	handle(s, operation{id: "list-queue", method: "GET", path: "/queue", summary: "List messages in the queue, oldest first."},
		func(ctx context.Context, in *list) (*body[admin.Page[admin.QueueItem]], error) {
			return answer(s.admin.Queue(ctx, admin.QueueFilter{Paging: in.page(), QueueMatch: in.QueueMatch}))
		})
	handle(s, operation{id: "get-queue-groups", method: "GET", path: "/queue/groups", summary: "Say why mail waits."},
		func(ctx context.Context, _ *none) (*body[admin.QueueGroups], error) {
			return answer(s.admin.QueueGroups(ctx))
		})
	handle(s, operation{id: "get-queue-message", method: "GET", path: "/queue/{id}", summary: "Show a message in the queue."},
		func(ctx context.Context, in *IDPath) (*body[admin.QueueItem], error) {
			return answer(s.admin.QueueItem(ctx, in.ID))
		})
	for _, verb := range []struct {
		do      admin.QueueAction
		summary string
	}{
		{admin.RetryNow, "Make the next attempt now."},
		{admin.Hold, "Do not try until release."},
		{admin.Release, "End hold."},
		{admin.Cancel, "Remove messages without a report to their senders."},
		{admin.Reroute, "Have messages sent by another relay until they are done, or, with an empty to, no longer."},
	} {
		handle(s, operation{id: string(verb.do) + "-queue", method: "POST", path: "/queue:" + string(verb.do), summary: verb.summary},
			func(ctx context.Context, in *struct {
				DryRun
				Body admin.QueueSelection
			}) (*body[Changed], error) {
				n, err := s.admin.ChangeQueue(ctx, verb.do, in.Body)
				return answer(Changed{n}, err)
			})
	}
}
