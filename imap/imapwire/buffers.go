package imapwire

import "sync"

// Sizes of buffers. While nothing comes, a decoder keeps only the smallest and
// an encoder none.
const (
	idleBuffer = 128
	readBuffer = 4 << 10
	bigBuffer  = 64 << 10
)

// Buffers are shared by the connections of a server. The zero value works; nil
// shares nothing.
type Buffers struct{ read, big sync.Pool }

func (b *Buffers) getRead() []byte {
	if b != nil {
		if p, ok := b.read.Get().(*[readBuffer]byte); ok {
			return p[:]
		}
	}
	return make([]byte, readBuffer)
}

func (b *Buffers) putRead(buf []byte) {
	if b != nil && len(buf) == readBuffer {
		b.read.Put((*[readBuffer]byte)(buf))
	}
}

// getBig returns an empty slice with room for bigBuffer octets.
func (b *Buffers) getBig() []byte {
	if b != nil {
		if p, ok := b.big.Get().(*[bigBuffer]byte); ok {
			return p[:0]
		}
	}
	return make([]byte, 0, bigBuffer)
}

// putBig takes buf back; larger ones, made for one large answer, are let go.
func (b *Buffers) putBig(buf []byte) {
	if b != nil && cap(buf) >= bigBuffer && cap(buf) < 2*bigBuffer {
		b.big.Put((*[bigBuffer]byte)(buf[:bigBuffer]))
	}
}
