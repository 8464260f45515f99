//go:build schematest

package schema

// Current is one higher than that of the real program: with the build tag
// schematest a program of the future is made, for the tests of upgrades.
const Current = 2
