package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin"
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
