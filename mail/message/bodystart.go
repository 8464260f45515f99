package message

// DecodeBodyStart reads from a record where the body of the message begins,
// which is all that most sections need, and makes nothing of the rest.
func DecodeBodyStart(b []byte) (int64, error) {
	n, ok := envelopeLength(b)
	if !ok || b[0] != recordVersion {
		return 0, ErrRecord
	}
	w := walker{b: b[n:]}
	size := w.uvarint()
	w.uvarint() // traits
	w.uvarint() // hops
	w.strings(2)
	w.strings(w.uvarint())
	if w.uint8() != 0 { // date
		w.uvarint()
		w.uvarint()
	}
	if w.uvarint() == 0 { // media type
		w.strings(2)
	}
	if w.uvarint() == 0 { // encoding
		w.strings(1)
	}
	w.partFields()
	headerStart, start := w.uvarint(), w.uvarint()
	if w.bad || headerStart != 0 || start > size {
		return 0, ErrRecord
	}
	return int64(start), nil
}

// walker passes over what a decoder would read. After the first fault it reads
// zeros.
type walker struct {
	b   []byte
	bad bool
}

func (w *walker) uint8() byte {
	if len(w.b) == 0 {
		w.bad, w.b = true, nil
		return 0
	}
	c := w.b[0]
	w.b = w.b[1:]
	return c
}

func (w *walker) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := w.uint8()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	w.bad, w.b = true, nil
	return 0
}

// strings passes over n strings.
func (w *walker) strings(n uint64) {
	for ; n > 0 && !w.bad; n-- {
		size := w.uvarint()
		if size > uint64(len(w.b)) {
			w.bad, w.b = true, nil
			return
		}
		w.b = w.b[size:]
	}
}

// params passes over names and values.
func (w *walker) params() {
	if n := w.uvarint(); n <= uint64(len(w.b)) {
		w.strings(2 * n)
	} else {
		w.bad = true
	}
}

func (w *walker) partFields() {
	flags := w.uint8()
	if flags&partParams != 0 {
		w.params()
	}
	for _, f := range []byte{partID, partDescription, partMD5, partDisposition} {
		if flags&f != 0 {
			w.strings(1)
		}
	}
	if flags&partDisposition != 0 {
		w.params()
	}
	if flags&partLanguage != 0 {
		w.strings(w.uvarint())
	}
	if flags&partLocation != 0 {
		w.strings(1)
	}
}
