// Package config reads mailstead.toml: what must be known before system.db can
// be opened, and nothing else. All other settings are in the directory and
// change while the server runs.
//
// cmd calls [Load] once. Unknown keys are errors with their line and a
// suggestion; [Config.Validate] names each field that is wrong and what to
// write instead. [Describe] prints the file with every field explained; the
// explanations are the doc tags of [Config].
package config
