package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/mailstead/mailstead/admin"
)

func importPath(id string) string { return "/imports/" + url.PathEscape(id) }

func (c *Client) Imports(ctx context.Context) (admin.Page[admin.Import], error) {
	return get[admin.Page[admin.Import]](ctx, c, "/imports")
}

func (c *Client) Import(ctx context.Context, id string) (admin.Import, error) {
	return get[admin.Import](ctx, c, importPath(id))
}

func (c *Client) StartImport(ctx context.Context, n admin.NewImport) (admin.Import, error) {
	return call[admin.Import](ctx, c, request{method: http.MethodPost, path: "/imports", body: n})
}

func (c *Client) ResumeImport(ctx context.Context, id string) (admin.Import, error) {
	return call[admin.Import](ctx, c, request{method: http.MethodPost, path: importPath(id) + ":resume"})
}

func (c *Client) CancelImport(ctx context.Context, id string) (admin.Import, error) {
	return call[admin.Import](ctx, c, request{method: http.MethodPost, path: importPath(id) + ":cancel"})
}

func (c *Client) RemoveImport(ctx context.Context, id string) error {
	_, err := c.raw(ctx, request{method: http.MethodDelete, path: importPath(id)})
	return err
}

func (c *Client) StartImports(ctx context.Context, l admin.ImportList) (admin.ImportListResult, error) {
	return call[admin.ImportListResult](ctx, c, request{method: http.MethodPost, path: "/imports:bulk", body: l})
}

func (c *Client) ImportPeople(ctx context.Context, l admin.PeopleList) (admin.PeopleResult, error) {
	return call[admin.PeopleResult](ctx, c, request{method: http.MethodPost, path: "/imports:people", body: l})
}

func (c *Client) ImportSetup(ctx context.Context, f admin.SetupFile) (admin.SetupReport, error) {
	return call[admin.SetupReport](ctx, c, request{method: http.MethodPost, path: setupPath, body: f})
}

func (c *Client) ResumeImports(ctx context.Context, choice admin.ImportChoice) (admin.ImportsResult, error) {
	return call[admin.ImportsResult](ctx, c, request{method: http.MethodPost, path: "/imports:resume", body: choice})
}

func (c *Client) CancelImports(ctx context.Context, choice admin.ImportChoice) (admin.ImportsResult, error) {
	return call[admin.ImportsResult](ctx, c, request{method: http.MethodPost, path: "/imports:cancel", body: choice})
}

func (c *Client) RemoveImports(ctx context.Context, choice admin.ImportChoice) (admin.ImportsResult, error) {
	return call[admin.ImportsResult](ctx, c, request{method: http.MethodPost, path: "/imports:remove", body: choice})
}
