package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/certs"
)

// RenewQuery is admin.RenewRequest in a query.
type RenewQuery struct {
	Force  bool `query:"force" doc:"Also if they are good for long."`
	NewKey bool `query:"newKey" doc:"With the next key, for the host name: its TLSA record must be published before."`
}

func (q *RenewQuery) request() admin.RenewRequest {
	return admin.RenewRequest{Force: q.Force, NewKey: q.NewKey}
}

func (s *Server) certificateRoutes() {
	handle(s, operation{id: "list-certificates", method: "GET", path: "/certificates", summary: "Say how the certificates stand."},
		func(ctx context.Context, _ *none) (*body[admin.Page[certs.Status]], error) {
			return answer(s.admin.Certificates(ctx))
		})
	handleJob[[]certs.Status](s, operation{id: "renew-certificates", method: "POST", path: "/certificates:renew", summary: "Begin to get all certificates that are due or missing."},
		func(ctx context.Context, in *RenewQuery) (admin.Job, error) {
			return s.admin.RenewCertificate(ctx, "", in.request())
		})
	handleJob[[]certs.Status](s, operation{id: "renew-certificate", method: "POST", path: "/certificates/{name}:renew", summary: "Begin to get the certificate of a name."},
		func(ctx context.Context, in *struct {
			Name string `path:"name" maxLength:"253"`
			RenewQuery
		}) (admin.Job, error) {
			return s.admin.RenewCertificate(ctx, in.Name, in.request())
		})
}
