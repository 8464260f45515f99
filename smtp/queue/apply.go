package queue

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox/store"
)

var keyFresh = []byte("fresh")

// Apply is the store.Apply of owner 0: it turns an accepted message into an
// item with a job for each domain. A message that is a report also strikes out
// the row by which it was owed, in the same transaction: so a report is made
// exactly once, whenever the power goes. One that was delivered to mailboxes of
// ours marks its job so, in the same transaction for the same reason.
//
// It fails only for what a newer version wrote, which then waits in the log.
func Apply(rw store.RW, a store.Accepted) error {
	t, err := decodeEntry(a.To.Extra)
	if err != nil {
		return fmt.Errorf("apply entry: %w", err)
	}
	if t.reports != "" {
		owed, err := settleOwed(rw, t.reports)
		if err != nil {
			return err
		}
		if !owed { // a second copy, made after an Accept of unknown end
			rw.Release(a.Ref)
			return nil
		}
	}
	if t.settles != "" {
		if err := settleJob(rw, t.settles); err != nil {
			return err
		}
	}
	jobs := split(t.envelope.Recipients)
	if len(jobs) == 0 {
		rw.Release(a.Ref)
		return nil
	}
	it := &item{ref: a.Ref, size: a.Size, created: t.created, envelope: t.envelope, open: uint64(len(jobs)), double: t.double}
	it.envelope.Recipients = nil
	key := freeKey(rw, t.id)
	if err := rw.Put(bucketItem, []byte(key), it.encode()); err != nil {
		return err
	}
	return putJobs(rw, key, jobs)
}

// putJobs writes new jobs, each with a place in the order of arrival.
func putJobs(rw store.RW, itemKey string, jobs []*job) error {
	var seq uint64
	if b := rw.Get(bucketState, keyFresh); len(b) == 8 {
		seq = binary.BigEndian.Uint64(b)
	}
	for n, j := range jobs {
		seq++
		j.fresh = seq
		key := subKey(itemKey, uint64(n))
		if err := rw.Put(bucketJob, []byte(key), j.encode()); err != nil {
			return err
		}
		if err := j.index(rw, key); err != nil {
			return err
		}
	}
	return rw.Put(bucketState, keyFresh, freshKey(seq))
}

// freeKey is the item key for a new message: its ID, or with a number when the
// same ID is queued already.
func freeKey(tx store.Tx, id ID) string {
	key := string(id)
	for n := 2; tx.Get(bucketItem, []byte(key)) != nil; n++ {
		key = string(id) + "." + strconv.Itoa(n)
	}
	return key
}

// settleOwed strikes out an owed report; false if it was not owed any more.
func settleOwed(rw store.RW, key string) (bool, error) {
	if rw.Get(bucketOwed, []byte(key)) == nil {
		return false, nil
	}
	if err := rw.Delete(bucketOwed, []byte(key)); err != nil {
		return false, err
	}
	it, err := getItem(rw, itemKeyOf(key))
	if it == nil {
		return true, err
	}
	return true, it.closeOne(rw, itemKeyOf(key))
}

// settleJob notes that all recipients of a job have the message; nothing if it
// was cancelled. What follows from that is for the attempt to write.
func settleJob(rw store.RW, key string) error {
	j, err := getJob(rw, key)
	if err != nil || j == nil {
		return err
	}
	for i := range j.recipients {
		j.recipients[i].status = mail.StatusOK
	}
	return rw.Put(bucketJob, []byte(key), j.encode())
}

// split makes jobs: the recipients of one domain together, in the order in
// which the domains come first, in bites that fit a row and a transaction.
func split(recipients []mail.Recipient) []*job {
	var jobs []*job
	open := map[mail.Domain]*job{}
	size := map[*job]int{}
	for _, r := range recipients {
		j := open[r.Path.Domain]
		octets := len(r.Path.Local) + len(r.Path.Domain) + len(r.ORcpt) + recipientReserve
		if j == nil || len(j.recipients) >= maxJobRecipients || size[j]+octets > maxJobAddresses {
			j = &job{domain: r.Path.Domain}
			open[r.Path.Domain] = j
			jobs = append(jobs, j)
		}
		j.recipients = append(j.recipients, recipient{Recipient: r})
		size[j] += octets
	}
	return jobs
}
