package api

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/mailstead/mailstead/admin"
)

// newHuma makes the part that reads and checks requests as the operations
// declare them, and describes those in an OpenAPI document.
func newHuma(e *echo.Echo, g *echo.Group) huma.API {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	registry.Schema(reflect.TypeFor[Problem](), true, "Problem")
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI:    "3.1.0",
			Info:       &huma.Info{Title: "Mailstead", Version: "1", Description: "What an operator of a Mailstead server, and a person with an account on it, can ask for and change."},
			Servers:    []*huma.Server{{URL: Prefix}},
			Components: &huma.Components{Schemas: registry, SecuritySchemes: securitySchemes()},
			Security:   []map[string][]string{{"session": {}}, {"key": {}}},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{translate, tag},
	}
	plain := humaecho.NewWithGroup(e, g, huma.Config{})
	return huma.NewAPI(config, verbs{plain.Adapter()})
}

// schemaName names a type in the document: types of the packages below admin
// have the package's name before their own, so that two of them can have one.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.Name()
	if name == "" {
		return huma.DefaultSchemaNamer(t, hint)
	}
	if i := strings.IndexByte(name, '['); i >= 0 { // Page[…/certs.Status]
		pkg, arg := "", strings.Trim(name[i:], "[]")
		if j := strings.LastIndexByte(arg, '.'); j >= 0 {
			pkg, arg = arg[:j], arg[j+1:]
		}
		return name[:i] + qualified(pkg, arg)
	}
	return qualified(t.PkgPath(), name)
}

func qualified(pkg, name string) string {
	name = strings.ToUpper(name[:1]) + name[1:]
	switch base := path.Base(pkg); base {
	case ".", "admin", "api", "directory":
		return name
	case "dnsadvice":
		return "DNS" + name
	case "certs":
		return "Certificate" + name
	default:
		prefix := strings.ToUpper(base[:1]) + base[1:]
		return prefix + strings.TrimPrefix(name, prefix)
	}
}

func securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "A browser's session, from POST /session."},
		"key":     {Type: "http", Scheme: "bearer", Description: "An API key: mailstead_<id>_<secret>."},
	}
}

// verbs routes /things/{id}:verb as splitVerb rewrites it.
type verbs struct{ huma.Adapter }

// Handle registers an operation.
func (v verbs) Handle(op *huma.Operation, handler func(huma.Context)) {
	routed := *op
	routed.Path, _ = withVerb(op.Path)
	v.Adapter.Handle(&routed, handler)
}

// operation declares one operation.
type operation struct {
	id, method, path, summary string
	description               string // what the summary has no room for
	// public may be asked for without signing in.
	public bool
	// signIn needs the part that signs people in.
	signIn bool
	status int // of success, if it is not what the method says
	// answers is the media type of success, where it is not JSON.
	answers string
	etag    bool  // the answer is about one thing, and has an ETag
	late    bool  // the answer may come late, and has what is shown only once
	most    int64 // octets of a request; 0: maxBody
}

// tag is the resource of an operation: the first part of its path.
func (o operation) tag() string {
	tag, _, _ := strings.Cut(strings.TrimPrefix(o.path, "/"), "/")
	tag, _, _ = strings.Cut(tag, ":")
	return strings.TrimSuffix(tag, ".toml")
}

// handle registers an operation with what does it.
func handle[I, O any](s *Server, o operation, do func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Description: o.description, Tags: []string{o.tag()}, DefaultStatus: o.status,
		MaxBodyBytes: cmp.Or(o.most, maxBody),
		Responses: map[string]*huma.Response{"default": {
			Description: "What went wrong.",
			Content:     map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}},
		}},
	}
	if o.answers != "" {
		op.Responses[strconv.Itoa(max(o.status, http.StatusOK))] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{o.answers: {Schema: &huma.Schema{Type: huma.TypeString}}}}
	}
	if o.etag {
		op.Metadata = map[string]any{"etag": true}
	}
	if o.public {
		op.Security = []map[string][]string{}
	} else {
		op.Middlewares = huma.Middlewares{s.known}
	}
	if o.late {
		op.Middlewares = append(op.Middlewares, late)
	}
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		if o.signIn && s.admin.SignIn() == nil {
			return nil, problem(http.StatusServiceUnavailable, "unavailable", "only a running server signs people in")
		}
		if d, ok := any(in).(interface{ dry() bool }); ok && d.dry() {
			return nil, s.describe(ctx, o.method, rehearse(ctx, func(ctx context.Context) error { _, err := do(ctx, in); return err }))
		}
		out, err := do(ctx, in)
		if err != nil {
			return nil, s.describe(ctx, o.method, err)
		}
		return out, nil
	})
}

// startedJob says which job has begun.
type startedJob struct {
	Job string `json:"job" doc:"Its ID, for /jobs/{id}."`
}

// handleJob registers an operation that begins a job, whose result is an R;
// none of it if R is none.
func handleJob[R, I any](s *Server, o operation, do func(context.Context, *I) (admin.Job, error)) {
	o.status = http.StatusAccepted
	if result := reflect.TypeFor[R](); result != reflect.TypeFor[none]() {
		o.description = "The result of the job: " + resultRef(s.huma.OpenAPI().Components.Schemas.Schema(result, true, "")) + "."
	}
	handle(s, o, func(ctx context.Context, in *I) (*body[startedJob], error) {
		j, err := do(ctx, in)
		return answer(startedJob{j.ID}, err)
	})
}

// resultRef names the schema of a result.
func resultRef(schema *huma.Schema) string {
	if schema.Items != nil {
		return "a list of " + resultRef(schema.Items)
	}
	return schema.Ref
}

// known refuses those whom nobody knows, before their input is looked at.
func (s *Server) known(ctx huma.Context, next func(huma.Context)) {
	if admin.PrincipalOf(ctx.Context()).Kind == "" {
		s.fail(problem(http.StatusUnauthorized, "signed-out", "sign in first"), humaecho.Unwrap(ctx))
		return
	}
	next(ctx)
}

// lateMost is how long an answer may take that has what is shown only once.
const lateMost = 15 * time.Minute

// late lets an answer go out after the time that others have.
func late(c huma.Context, next func(huma.Context)) {
	_ = http.NewResponseController(humaecho.Unwrap(c).Response()).SetWriteDeadline(time.Now().Add(lateMost)) // a recorder of tests has none
	next(c)
}

// body is an answer with a JSON value.
type body[T any] struct{ Body T }

// answer makes an answer of what a method of admin returned.
func answer[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return &body[T]{v}, nil
}

// none is an input or an answer without anything in it.
type none struct{}

// Paging is in the input of lists.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" maxLength:"2000" doc:"The next of the page before."`
}

func (p *Paging) page() admin.Paging { return admin.Paging{Limit: p.Limit, Cursor: p.Cursor} }

// OpenAPI is the document that describes all operations.
func (s *Server) OpenAPI() ([]byte, error) {
	doc := s.huma.OpenAPI()
	// huma's own model of errors is never sent.
	maps.DeleteFunc(doc.Components.Schemas.Map(), func(name string, _ *huma.Schema) bool {
		return slices.Contains([]string{"V2ErrorModel", "V2ErrorDetail"}, name)
	})
	for _, schema := range doc.Components.Schemas.Map() {
		withoutNull(schema)
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	return append(b, '\n'), err
}

// withoutNull makes lists lists: huma thinks that each may be null.
func withoutNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	withoutNull(s.Items)
	for _, p := range s.Properties {
		withoutNull(p)
	}
}
