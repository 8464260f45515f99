package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/admin/directory"
)

// working has a job that goes on until it is cancelled.
type working struct {
	admin.Operator
	asked     func()
	cancelled string
}

func (w *working) Job(ctx context.Context, id string) (admin.Job, error) {
	w.asked()
	if err := ctx.Err(); err != nil {
		return admin.Job{}, err
	}
	return admin.Job{ID: id, State: admin.JobRunning}, nil
}

func (w *working) CancelJob(ctx context.Context, id string) (admin.Job, error) {
	w.cancelled = id
	return admin.Job{}, ctx.Err()
}

// Whoever interrupts a command cancels its job, also while it asks how far that
// is.
func TestInterruptedCommandCancelsItsJob(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	w := &working{asked: interrupt}
	_, err := waitJob(ctx, w, admin.Job{ID: "j", State: admin.JobRunning}, &printer{w: io.Discard, notes: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "cancelled") || w.cancelled != "j" {
		t.Errorf("%v; cancelled: %q", err, w.cancelled)
	}
}

// over has a job that ended just before whoever waits for it interrupted.
type over struct {
	admin.Operator
	job admin.Job
}

func (o *over) Job(ctx context.Context, _ string) (admin.Job, error) { return o.job, ctx.Err() }

func (o *over) CancelJob(context.Context, string) (admin.Job, error) {
	return admin.Job{}, &directory.Problem{Kind: directory.ErrConflict, Text: "there is nothing to cancel"}
}

// A job that had ended before it could be cancelled is told as it ended.
func TestInterruptedAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		job  admin.Job
		want string // of the error
	}{
		{admin.Job{ID: "j", State: admin.JobDone, Log: []string{"one"}}, ""},
		{admin.Job{ID: "j", State: admin.JobFailed, Log: []string{"one", "no room"}}, "no room"},
		{admin.Job{ID: "j", State: admin.JobCancelled, Log: []string{"cancelled by ana"}}, "cancelled by ana"},
		{admin.Job{ID: "j", State: admin.JobRunning}, "interrupted; it goes on in the server: there is nothing to cancel"},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		j, err := waitJob(ctx, &over{job: c.job}, admin.Job{ID: "j", State: admin.JobRunning}, &printer{w: io.Discard, notes: io.Discard})
		if j.State != c.job.State || (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%s: %s, %v; want %q", c.job.State, j.State, err, c.want)
		}
	}
}

// What a restore has added before it was cancelled is told, and that it was.
func TestToldRestores(t *testing.T) {
	t.Parallel()
	cancelled := errors.New("cancelled by ana")
	for _, c := range []struct {
		name, shown, err string
		res              any
		ended            error
	}{
		{"done", "3 messages", "", backup.IntoResult{Added: 3}, nil},
		{"broken off", "3 messages", "it ended before its end: no room", backup.IntoResult{Added: 3, Incomplete: "no room"}, nil},
		{"cancelled midway", "3 messages", "cancelled by ana", backup.IntoResult{Added: 3, Incomplete: "somebody has cancelled it"}, cancelled},
		{"cancelled at once", "", "cancelled by ana", nil, cancelled},
	} {
		var out strings.Builder
		err := tellRestored(admin.Job{Result: c.res}, c.ended, &printer{w: &out, notes: io.Discard})
		if !strings.Contains(out.String(), c.shown) || c.shown == "" && out.Len() > 0 || fmt.Sprint(err) != cmp.Or(c.err, "<nil>") {
			t.Errorf("%s: %q, %v", c.name, out.String(), err)
		}
	}
}

// A job that was cancelled is an error, and what it did is told before.
func TestToldJobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		job  admin.Job
		want string
		err  error
	}{
		{admin.Job{State: admin.JobDone, Log: []string{"one", "two"}}, "one\ntwo\n", nil},
		{admin.Job{State: admin.JobFailed, Log: []string{"one", "no"}}, "one\n", errors.New("no")},
		{admin.Job{State: admin.JobCancelled, Log: []string{"cancelled by ana"}}, "", errors.New("cancelled by ana")},
	} {
		var out strings.Builder
		err := tellJob(t.Context(), &working{}, c.job, &printer{w: &out, notes: io.Discard})
		if out.String() != c.want || (err == nil) != (c.err == nil) || err != nil && err.Error() != c.err.Error() {
			t.Errorf("%+v: %q, %v", c.job, out.String(), err)
		}
	}
}
