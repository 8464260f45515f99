package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

// Commands that wait for a job of the server.

// jobTick is how often a job is asked how far it is.
const jobTick = 200 * time.Millisecond

// cancelTimeout is how long whoever interrupts waits for the server to hear of it.
const cancelTimeout = 5 * time.Second

// watchJob calls each with a job as it goes on, until it has ended. A job that
// failed is an error; its last line says why. Whoever interrupts cancels it.
func watchJob(ctx context.Context, op admin.Operator, j admin.Job, each func(*admin.Job)) (admin.Job, error) {
	tick := time.NewTicker(jobTick)
	defer tick.Stop()
	for each(&j); j.State == admin.JobRunning; each(&j) {
		now, err := nextJob(ctx, op, j, tick.C)
		if err != nil {
			return j, err
		}
		j = now
	}
	if j.State != admin.JobDone {
		return j, errors.New(j.Log[len(j.Log)-1])
	}
	return j, nil
}

// nextJob looks at a job when it is time to, or cancels it if ctx has ended.
func nextJob(ctx context.Context, op admin.Operator, j admin.Job, tick <-chan time.Time) (admin.Job, error) {
	select {
	case <-ctx.Done():
		return cancelJob(ctx, op, j)
	case <-tick:
	}
	now, err := op.Job(ctx, j.ID)
	if ctx.Err() != nil {
		return cancelJob(ctx, op, j)
	}
	return now, err
}

// waitJob waits for a job. People at a terminal see how far it is.
func waitJob(ctx context.Context, op admin.Operator, j admin.Job, out *printer) (admin.Job, error) {
	shown, lines := out.progress(), 0
	defer shown.end()
	return watchJob(ctx, op, j, func(j *admin.Job) { lines = shown.show(j, lines) })
}

// tellJob waits for a job, and prints what it says.
func tellJob(ctx context.Context, op admin.Operator, j admin.Job, out *printer) error {
	told := 0
	j, err := watchJob(ctx, op, j, func(j *admin.Job) {
		lines := j.Log
		if j.State != admin.JobRunning && j.State != admin.JobDone {
			lines = lines[:len(lines)-1] // the error
		}
		for ; told < len(lines) && !out.json; told++ {
			fmt.Fprintln(out.w, clean(lines[told]))
		}
	})
	if err != nil {
		return err
	}
	return out.show(j.Result, func(io.Writer) {})
}

// cancelJob ends a job of somebody who does not wait for it any more. One that
// had ended since the last look is returned: it was not interrupted.
func cancelJob(ctx context.Context, op admin.Operator, j admin.Job) (admin.Job, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer stop()
	_, err := op.CancelJob(ctx, j.ID)
	if errors.Is(err, directory.ErrConflict) {
		if now, jerr := op.Job(ctx, j.ID); jerr == nil && now.State != admin.JobRunning {
			return now, nil
		}
	}
	if err != nil {
		return j, fmt.Errorf("interrupted; it goes on in the server: %w", err)
	}
	return j, errors.New("interrupted, and cancelled; what is done stays")
}

// jobLine shows how far a job is, to people at a terminal.
type jobLine struct{ w io.Writer }

func (o *printer) progress() jobLine {
	if f, ok := o.notes.(*os.File); ok && !o.json && term.IsTerminal(int(f.Fd())) {
		return jobLine{o.notes}
	}
	return jobLine{io.Discard}
}

func (p jobLine) show(j *admin.Job, lines int) int {
	for _, l := range j.Log[min(lines, len(j.Log)):] {
		fmt.Fprintf(p.w, "\r\x1b[K%s\n", clean(l))
	}
	if j.Total > 0 {
		fmt.Fprintf(p.w, "\r\x1b[K  %d %%", 100*j.Progress/j.Total)
	}
	return len(j.Log)
}

func (p jobLine) end() { io.WriteString(p.w, "\r\x1b[K") }

// jobResult reads what a job has found out: of a running server it is JSON.
func jobResult(j admin.Job, v any) error {
	b, err := json.Marshal(j.Result)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
