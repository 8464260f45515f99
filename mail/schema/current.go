//go:build !schematest

package schema

// Current is the schema that this program reads and writes.
const Current = 1
