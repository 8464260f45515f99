package directory

import (
	"strconv"
	"time"
)

// Definition is what a setting means, whatever its value is.
type Definition struct {
	Name     string
	Kind     string
	Default  string
	Min, Max string // of numbers, sizes and times; nothing: no bound
	Secret   bool
	Doc      string
}

// Definitions returns the registry of settings, in the order in which people
// see them.
func Definitions() []Definition {
	var all []Definition
	for _, def := range definitions() {
		d := Definition{Name: def.name, Kind: string(def.kind), Default: def.initial, Secret: def.secret, Doc: def.doc}
		if format := def.format(); format != nil {
			d.Min, d.Max = format(def.min), format(def.max)
		}
		all = append(all, d)
	}
	return all
}

// format writes a bound of the setting; nil: it has none.
func (def *definition) format() func(int64) string {
	switch def.kind {
	case integer:
		return func(n int64) string { return strconv.FormatInt(n, 10) }
	case size:
		return FormatSize
	case duration:
		return func(n int64) string { return FormatDuration(time.Duration(n)) }
	}
	return nil
}
