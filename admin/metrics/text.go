package metrics

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// TextType is the media type of what WriteText writes.
const TextType = "text/plain; version=0.0.4; charset=utf-8"

// prefix begins all names that Prometheus sees.
const prefix = "mailstead_"

// WriteText writes all metrics in the text format of Prometheus, version
// 0.0.4. Deviation: the names have no unit at their end where the console's
// names have none; the help text tells it.
func (r *Registry) WriteText(w io.Writer) error {
	var b bytes.Buffer
	for _, m := range r.metrics {
		m.writeText(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Handler answers GET /metrics. Who may ask is for its caller to decide.
func (r *Registry) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", TextType)
		w.Header().Set("Cache-Control", "no-store")
		r.WriteText(w) // the client has gone if this fails
	})
}

func (m *metric) writeText(b *bytes.Buffer) {
	name := prefix + strings.ReplaceAll(m.Name, ".", "_")
	switch {
	case m.counters != nil:
		name += "_total"
		writeHead(b, name, m.Help, "counter")
		for _, v := range m.values() {
			writeLine(b, name, m.Label, v, float64(m.counters.byValue[v].Value()))
		}
	case m.gauges != nil:
		writeHead(b, name, m.Help, "gauge")
		for _, v := range m.values() {
			writeLine(b, name, m.Label, v, float64(m.gauges.byValue[v].Value()))
		}
	case m.read != nil:
		if v, ok := m.read(); ok {
			writeHead(b, name, m.Help, "gauge")
			writeLine(b, name, "", "", v)
		}
	case m.histogram != nil:
		writeHead(b, name+"_seconds", m.Help, "histogram")
		m.histogram.writeText(b, name+"_seconds")
	}
}

func writeHead(b *bytes.Buffer, name, help, kind string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func writeLine(b *bytes.Buffer, name, label, value string, v float64) {
	b.WriteString(name)
	if label != "" {
		fmt.Fprintf(b, "{%s=%q}", label, value)
	}
	b.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

// writeText writes the classes, each with all below it.
func (h *Histogram) writeText(b *bytes.Buffer, name string) {
	sum := int64(0)
	for i, n := range h.snapshot() {
		sum += n
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
		}
		writeLine(b, name+"_bucket", "le", bound, float64(sum))
	}
	writeLine(b, name+"_sum", "", "", float64(h.sum.Load())/1000)
	writeLine(b, name+"_count", "", "", float64(sum))
}
