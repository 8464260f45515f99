package api

import (
	"context"
	"net/http"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/movein"
)

// A file that sets a server up is larger than other requests, and larger in JSON.
const (
	setupPath    = "/imports:setup"
	maxSetupBody = 2 * movein.MaxSetup
)

func (s *Server) importRoutes() {
	handle(s, operation{id: "list-imports", method: "GET", path: "/imports", summary: "List imports of mail from other systems, newest first, and how far they are."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.Import]], error) {
			return answer(s.admin.Imports(ctx))
		})
	handle(s, operation{id: "start-import", method: "POST", path: "/imports", summary: "Begin an import, or its next run if there is one of this account and source: what is here already is not added again.", status: http.StatusAccepted},
		func(ctx context.Context, in *struct{ Body admin.NewImport }) (*body[admin.Import], error) {
			return answer(s.admin.StartImport(ctx, in.Body))
		})
	handle(s, operation{id: "start-imports", method: "POST", path: "/imports:bulk", summary: "Begin an import for each line of a list of IMAP accounts; each line stands for itself."},
		func(ctx context.Context, in *struct{ Body admin.ImportList }) (*body[admin.ImportListResult], error) {
			return answer(s.admin.StartImports(ctx, in.Body))
		})
	s.manyImportsRoutes()
	handle(s, operation{id: "import-people", method: "POST", path: "/imports:people", summary: "Make the accounts and aliases of a list that another mail system gives; each stands for itself.", late: true},
		func(ctx context.Context, in *struct{ Body admin.PeopleList }) (*body[admin.PeopleResult], error) {
			return answer(s.admin.ImportPeople(ctx, in.Body))
		})
	handle(s, operation{id: "import-setup", method: "POST", path: setupPath, summary: "Set this server up as the file of another one says: all of it or, if a part is refused, nothing.", most: maxSetupBody, late: true},
		func(ctx context.Context, in *struct{ Body admin.SetupFile }) (*body[admin.SetupReport], error) {
			return answer(s.admin.ImportSetup(ctx, in.Body))
		})
	handle(s, operation{id: "get-import", method: "GET", path: "/imports/{id}", summary: "Say how far an import is, and what came of its last run."},
		func(ctx context.Context, in *IDPath) (*body[admin.Import], error) {
			return answer(s.admin.Import(ctx, in.ID))
		})
	handle(s, operation{id: "cancel-import", method: "POST", path: "/imports/{id}:cancel", summary: "Stop an import. What was brought in stays."},
		func(ctx context.Context, in *IDPath) (*body[admin.Import], error) {
			return answer(s.admin.CancelImport(ctx, in.ID))
		})
	handle(s, operation{id: "resume-import", method: "POST", path: "/imports/{id}:resume", summary: "Run an import again: what is missing or new at the source comes.", status: http.StatusAccepted},
		func(ctx context.Context, in *IDPath) (*body[admin.Import], error) {
			return answer(s.admin.ResumeImport(ctx, in.ID))
		})
	handle(s, operation{id: "remove-import", method: "DELETE", path: "/imports/{id}", summary: "Forget an import with its passwords. The mail stays.", status: http.StatusNoContent},
		func(ctx context.Context, in *IDPath) (*none, error) {
			return nil, s.admin.RemoveImport(ctx, in.ID)
		})
}

// manyImportsRoutes are what is done with many imports at once.
func (s *Server) manyImportsRoutes() {
	type choice struct{ Body admin.ImportChoice }
	handle(s, operation{id: "resume-imports", method: "POST", path: "/imports:resume", summary: "Run many imports again, of one server or all, that have ended: what is missing or new at the source comes.", status: http.StatusAccepted},
		func(ctx context.Context, in *choice) (*body[admin.ImportsResult], error) {
			return answer(s.admin.ResumeImports(ctx, in.Body))
		})
	handle(s, operation{id: "cancel-imports", method: "POST", path: "/imports:cancel", summary: "Stop many imports, of one server or all. What was brought in stays."},
		func(ctx context.Context, in *choice) (*body[admin.ImportsResult], error) {
			return answer(s.admin.CancelImports(ctx, in.Body))
		})
	handle(s, operation{id: "remove-imports", method: "POST", path: "/imports:remove", summary: "Forget many imports with their passwords, of one server or all, that have ended. The mail stays."},
		func(ctx context.Context, in *choice) (*body[admin.ImportsResult], error) {
			return answer(s.admin.RemoveImports(ctx, in.Body))
		})
}
