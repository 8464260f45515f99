package config

import "reflect"

// Diff returns the names of the fields in which two configurations differ, in
// the order of the file: "tls.mode".
func Diff(a, b *Config) (names []string) {
	for _, f := range fields() {
		if !f.table && !reflect.DeepEqual(f.value(a), f.value(b)) {
			names = append(names, f.name)
		}
	}
	return names
}
