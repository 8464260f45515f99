package mailbox

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/mailstead/mailstead/mail/message"
)

// maxThreadIDs is how many identifiers of one message are kept in bucket t: its
// own and the nearest of those it refers to.
const maxThreadIDs = 8

// threadKeys returns the hashes under which a message is found by others of
// its conversation, its own first.
func threadKeys(e *emailRow) [][]byte {
	ix, err := message.Decode(e.index)
	if err != nil {
		return nil
	}
	ids := make([]string, 0, maxThreadIDs)
	if ix.MessageID != "" {
		ids = append(ids, ix.MessageID)
	}
	for _, r := range slices.Backward(ix.References) {
		if len(ids) < maxThreadIDs && r != "" && !slices.Contains(ids, r) {
			ids = append(ids, r)
		}
	}
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		sum := sha256.Sum256([]byte(id))
		keys[i] = sum[:8:8]
	}
	return keys
}

// thread finds the conversation of a new message, or begins one, and writes
// down how others will find it.
func (t *tx) thread(id EmailID, e *emailRow) (ThreadID, error) {
	keys := threadKeys(e)
	thread := ThreadID(id)
	for _, k := range keys {
		if found, ok := t.findThread(k); ok {
			thread = found
			break
		}
	}
	for _, k := range keys {
		if err := t.rw.Put(bucketThread, binary.BigEndian.AppendUint64(k, uint64(id)), key64(uint64(thread))); err != nil {
			return 0, err
		}
	}
	return thread, nil
}

func (t *tx) findThread(k []byte) (ThreadID, bool) {
	end := binary.BigEndian.AppendUint64(slices.Clone(k), ^uint64(0))
	for _, v := range t.rw.Scan(bucketThread, k, end) {
		return ThreadID(number(v, 0)), true
	}
	return 0, false
}

// unthread removes what thread wrote down.
func (t *tx) unthread(id EmailID, e *emailRow) error {
	for _, k := range threadKeys(e) {
		if err := t.rw.Delete(bucketThread, binary.BigEndian.AppendUint64(k, uint64(id))); err != nil {
			return err
		}
	}
	return nil
}
