package filter

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Commands to a milter, and its replies (the protocol of libmilter, mfdef.h).
const (
	cmdBody    = 'B'
	cmdConnect = 'C'
	cmdMacro   = 'D'
	cmdEnd     = 'E' // of the message
	cmdHelo    = 'H'
	cmdHeader  = 'L'
	cmdMail    = 'M'
	cmdEOH     = 'N' // end of the header
	cmdOptions = 'O' // also the reply to it
	cmdQuit    = 'Q'
	cmdRcpt    = 'R'
	cmdData    = 'T'

	replyAccept     = 'a'
	replyContinue   = 'c'
	replyDiscard    = 'd'
	replyConnFail   = 'f'
	replyProgress   = 'p'
	replyQuarantine = 'q'
	replyReject     = 'r'
	replySkip       = 's'
	replyTempFail   = 't'
	replyCode       = 'y'
	replyShutdown   = '4'

	changeAddField    = 'h'
	changeInsertField = 'i'
	changeField       = 'm'
	changeFrom        = 'e'
	changeAddRcpt     = '+'
	changeAddRcptArgs = '2'
	changeDelRcpt     = '-'
	changeBody        = 'b'
)

// Changes that a milter may ask for, in the options.
const (
	mayAddFields    = 0x01
	mayAddRcpt      = 0x04
	mayDelRcpt      = 0x08
	mayChangeFields = 0x10
	mayQuarantine   = 0x20
	mayChangeFrom   = 0x40
	mayAddRcptArgs  = 0x80

	// offeredChanges is all but another body. Recipients are offered because
	// many milters do not start without, and are not changed.
	offeredChanges = mayAddFields | mayAddRcpt | mayDelRcpt | mayChangeFields | mayQuarantine | mayChangeFrom | mayAddRcptArgs
)

// Steps that a milter wants to miss, or does not reply to, in the options.
const (
	noConnect      = 0x01
	noHelo         = 0x02
	noMail         = 0x04
	noRcpt         = 0x08
	noBody         = 0x10
	noFields       = 0x20
	noEOH          = 0x40
	noFieldReply   = 0x80
	noUnknown      = 0x100
	noData         = 0x200
	maySkip        = 0x400
	rejectedRcpts  = 0x800 // it wants to hear of recipients that were refused
	noConnectReply = 0x1000
	noHeloReply    = 0x2000
	noMailReply    = 0x4000
	noRcptReply    = 0x8000
	noDataReply    = 0x10000
	noUnknownReply = 0x20000
	noEOHReply     = 0x40000
	noBodyReply    = 0x80000
	leadingSpace   = 0x100000 // values of fields come with the space before them

	offeredSteps = noConnect | noHelo | noMail | noRcpt | noBody | noFields | noEOH | noFieldReply | noUnknown | noData | maySkip | rejectedRcpts |
		noConnectReply | noHeloReply | noMailReply | noRcptReply | noDataReply | noUnknownReply | noEOHReply | noBodyReply | leadingSpace
)

// Versions of the protocol.
const (
	milterVersion    = 6
	minMilterVersion = 2
	dataVersion      = 4 // the first with DATA
)

// Bounds of packets, in octets.
const (
	maxSent     = 65535 // of data; libmilter takes no more (MILTER_CHUNK_SIZE)
	maxReceived = 128 << 10
)

// packet is a command or a reply.
type packet struct {
	code byte
	data []byte
}

// readPacket reads one packet: its length without these four octets, its code,
// and data.
func readPacket(r *bufio.Reader) (packet, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return packet{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxReceived {
		return packet{}, fmt.Errorf("a packet of %d octets", n)
	}
	p := packet{code: head[4], data: make([]byte, n-1)}
	if _, err := io.ReadFull(r, p.data); err != nil {
		return packet{}, fmt.Errorf("in a packet: %w", err)
	}
	return p, nil
}

// writePacket writes one packet; its data is cut where it is too long.
func writePacket(w *bufio.Writer, code byte, data []byte) error {
	data = data[:min(len(data), maxSent)]
	var head [5]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(data)+1))
	head[4] = code
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// texts makes data of texts, each ended by an octet 0.
func texts(list ...string) []byte {
	var b []byte
	for _, s := range list {
		b = append(append(b, strings.ReplaceAll(s, "\x00", " ")...), 0)
	}
	return b
}

// maxTexts is how many texts a packet can have.
const maxTexts = 64

// parseTexts reads at least n texts. What follows the last octet 0 is not one.
func parseTexts(b []byte, n int) ([]string, error) {
	var list []string
	for s := range strings.SplitAfterSeq(string(b), "\x00") {
		if text, ok := strings.CutSuffix(s, "\x00"); ok && len(list) < maxTexts {
			list = append(list, text)
		}
	}
	if len(list) < n {
		return nil, fmt.Errorf("a packet with %d texts instead of %d", len(list), n)
	}
	return list, nil
}

// parseIndex reads a number and what follows.
func parseIndex(b []byte) (int, []byte, error) {
	if len(b) < 4 {
		return 0, nil, fmt.Errorf("a packet of %d octets is too short", len(b))
	}
	// More fields than this there are never.
	return int(min(binary.BigEndian.Uint32(b), 1<<20)), b[4:], nil
}
