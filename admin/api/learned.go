package api

import (
	"context"
	"net/http"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/delivery/junk"
)

// JunkForget says whose lessons are forgotten.
type JunkForget struct {
	Account string `json:"account,omitempty" maxLength:"320" doc:"Address of an account; without it everything is forgotten, of all accounts."`
}

func (s *Server) learnedRoutes() {
	handle(s, operation{id: "get-junk-stats", method: "GET", path: "/junk/stats", summary: "Say how much was learned about junk."},
		func(ctx context.Context, _ *none) (*body[junk.Stats], error) {
			return answer(s.admin.JunkStats(ctx))
		})
	handle(s, operation{id: "train-junk", method: "POST", path: "/junk:train", summary: "Have an account learn messages that are in no mailbox.", status: http.StatusOK},
		func(ctx context.Context, in *struct{ Body admin.JunkLesson }) (*body[admin.JunkLearned], error) {
			return answer(s.admin.TrainJunk(ctx, in.Body))
		})
	handle(s, operation{id: "forget-junk", method: "POST", path: "/junk:forget", summary: "Forget what was learned about junk.", status: http.StatusOK},
		func(ctx context.Context, in *struct{ Body JunkForget }) (*body[junk.Stats], error) {
			return answer(s.admin.ForgetJunk(ctx, in.Body.Account))
		})
}
