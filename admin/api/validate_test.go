package api

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/errors"
)

// document is openapi.json, read by a library that has nothing to do with the
// one that made it.
func document(t *testing.T) libopenapi.Document {
	t.Helper()
	b, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(b)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDocumentIsValid: openapi.json is an OpenAPI 3.1 document.
func TestDocumentIsValid(t *testing.T) {
	v, errs := validator.NewValidator(document(t))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		t.Error(explain(errs))
	}
}

// explain puts what a validator found into one text.
func explain(errs []*errors.ValidationError) string {
	var b strings.Builder
	for _, e := range errs {
		fmt.Fprintf(&b, "%s: %s\n", e.Message, e.Reason)
		for _, s := range e.SchemaValidationErrors {
			fmt.Fprintf(&b, "  at %s: %s\n", s.FieldPath, s.Reason)
		}
	}
	return b.String()
}

// obeys makes every answer that the world gives from now on obey openapi.json:
// its status, its media type and what is in it.
func (w *world) obeys() {
	w.t.Helper()
	model, err := document(w.t).BuildV3Model()
	if err != nil {
		w.t.Fatal(err)
	}
	v := validator.NewValidatorFromV3Model(&model.Model).GetResponseBodyValidator()
	w.check = func(r *http.Request, answer *http.Response, path string) {
		w.t.Helper()
		var ok bool
		var errs []*errors.ValidationError
		if item, known := model.Model.Paths.PathItems.Get(path); known {
			ok, errs = v.ValidateResponseBodyWithPathItem(r, answer, item, path)
		} else {
			ok, errs = v.ValidateResponseBody(r, answer)
		}
		if !ok {
			w.t.Errorf("%s %s: the answer %d is not as openapi.json says: %s", r.Method, r.URL.Path, answer.StatusCode, explain(errs))
		}
	}
}
