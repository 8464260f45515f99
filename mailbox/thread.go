package mailbox

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/mailstead/mailstead/mail/message"
)

// Identifiers of one message: those under which its conversation is looked for,
// and how many of them it is kept under for others. Each row is on a page of
// its own, so that more would cost every delivery and every expunge.
const (
	maxThreadIDs   = 8
	maxThreadShown = 3
)

// threadKeys returns the hashes of identifiers: the message's own, the one it
// answers, the first of the conversation, and then the others, nearest first.
// Whoever comes later into the conversation mostly names one of the first three.
func threadKeys(e *emailRow) [][]byte {
	ix, err := message.Decode(e.index)
	if err != nil {
		return nil
	}
	ids := make([]string, 0, maxThreadIDs)
	add := func(id string) {
		if len(ids) < maxThreadIDs && id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	add(ix.MessageID)
	if n := len(ix.References); n > 0 {
		add(ix.References[n-1])
		add(ix.References[0])
	}
	for _, r := range slices.Backward(ix.References) {
		add(r)
	}
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		sum := sha256.Sum256([]byte(id))
		keys[i] = sum[:8:8]
	}
	return keys
}

// shown returns the keys under which others find the message.
func shown(keys [][]byte) [][]byte { return keys[:min(len(keys), maxThreadShown)] }

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
	for _, k := range shown(keys) {
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
	for _, k := range shown(threadKeys(e)) {
		if err := t.rw.Delete(bucketThread, binary.BigEndian.AppendUint64(k, uint64(id))); err != nil {
			return err
		}
	}
	return nil
}
