package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mailstead/mailstead/admin/backup"
	"github.com/mailstead/mailstead/admin/directory"
)

// Bounds of jobs.
const (
	maxJobs    = 200 // that are remembered
	maxRunning = 20
	maxJobLog  = 200                    // lines
	jobTell    = 250 * time.Millisecond // between two events of one job
)

const jobImport = "import"

// JobState says how far a job is.
type JobState string

const (
	JobRunning   JobState = "running"
	JobDone      JobState = "done"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled" // by somebody; the log says who
)

// Job is work that takes longer than a request.
type Job struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	State    JobState  `json:"state" enum:"running,done,failed,cancelled"`
	Progress int64     `json:"progress"`
	Total    int64     `json:"total" doc:"0 if it is not known."`
	Log      []string  `json:"log"`
	Result   any       `json:"result,omitempty" doc:"Of one that is done; of one that was cancelled, what came of it until then."`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
}

// job is a Job with who began it.
type job struct {
	Job
	account uint32 // of a person; 0 for others
	owner   string
	told    time.Time
	cancel  context.CancelCauseFunc
	stopped string // who has cancelled it; "": nobody
}

// jobs are those that run, and the last that ended.
type jobs struct {
	mu     sync.Mutex
	list   []*job // oldest first
	group  sync.WaitGroup
	ctx    context.Context // ends with the server
	cancel context.CancelFunc
}

func newJobs() *jobs {
	j := &jobs{}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	return j
}

func (a *Admin) stopJobs() { a.jobs.cancel() }

// Progress is how a job tells how far it is.
type Progress struct {
	admin *Admin
	job   *job
}

// Set says how much of a total is done; 0 is not known.
func (p *Progress) Set(done, total int64) {
	p.change(func(j *job) { j.Progress, j.Total = done, total })
}

// Log adds a line for people.
func (p *Progress) Log(format string, args ...any) {
	p.change(func(j *job) {
		if len(j.Log) < maxJobLog {
			j.Log = append(j.Log, fmt.Sprintf(format, args...))
		}
	})
}

// change changes the job, and tells those who watch now and then.
func (p *Progress) change(fn func(*job)) {
	js := p.admin.jobs
	js.mu.Lock()
	fn(p.job)
	now := p.admin.opts.Now()
	tell := p.job.State != JobRunning || now.Sub(p.job.told) >= jobTell
	if tell {
		p.job.told = now
	}
	view := p.job.view()
	js.mu.Unlock()
	if tell {
		p.admin.hub.publish(Event{Topic: TopicJobs, Name: "job.changed", Data: view, owner: p.job.owner})
	}
}

func (j *job) view() Job {
	v := j.Job
	v.Log = append([]string{}, j.Log...)
	return v
}

// start begins a job for who asks. run ends when its context does; its result
// is shown as JSON.
func (a *Admin) start(p Principal, kind string, run func(ctx context.Context, p *Progress) (any, error)) (Job, error) {
	js := a.jobs
	js.mu.Lock()
	running := 0
	for _, j := range js.list {
		if j.State == JobRunning {
			running++
		}
	}
	if running >= maxRunning || js.ctx.Err() != nil {
		js.mu.Unlock()
		return Job{}, &directory.Problem{Kind: ErrUnavailable, Text: "too much is under way; try again in a while"}
	}
	j := &job{Job: Job{ID: rand.Text(), Kind: kind, State: JobRunning, Log: []string{}, Started: a.opts.Now().UTC()}, account: p.Account, owner: p.owner()}
	ctx, cancel := context.WithCancelCause(WithPrincipal(js.ctx, p))
	j.cancel = cancel
	js.list = append(js.list, j)
	if len(js.list) > maxJobs {
		i := slices.IndexFunc(js.list, func(j *job) bool { return j.State != JobRunning })
		js.list = slices.Delete(js.list, i, i+1)
	}
	view := j.view()
	js.group.Add(1)
	js.mu.Unlock()
	go a.runJob(ctx, &Progress{a, j}, run)
	return view, nil
}

func (a *Admin) runJob(ctx context.Context, p *Progress, run func(ctx context.Context, p *Progress) (any, error)) {
	defer a.jobs.group.Done()
	defer p.job.cancel(nil)
	result, err := run(ctx, p)
	p.change(func(j *job) {
		j.State, j.Result, j.Ended = JobDone, result, a.opts.Now().UTC()
		if err != nil {
			j.State = JobFailed
			if j.stopped != "" && ctx.Err() != nil {
				j.State, err = JobCancelled, errors.New("cancelled by "+j.stopped)
			} else {
				j.Result = nil
			}
			j.Log = append(j.Log, err.Error())
		}
	})
}

// Job returns a job that one has begun; those who may change the system see
// all.
func (a *Admin) Job(ctx context.Context, id string) (Job, error) {
	p, err := authorize(ctx, OwnAccount)
	if err != nil {
		return Job{}, err
	}
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	j, err := a.jobs.find(p, id)
	if err != nil {
		return Job{}, err
	}
	return j.view(), nil
}

// find returns a job that p may see. The caller holds mu.
func (js *jobs) find(p Principal, id string) (*job, error) {
	for _, j := range js.list {
		if j.ID == id && (j.owner == p.owner() || p.May(ChangeSystem)) {
			return j, nil
		}
	}
	return nil, &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no job " + id + ", or no longer"}
}

// CancelJob ends a job as soon as it can be ended. What it has done stays, and
// is whole: a restore that begins again goes on with the next message. Who
// cancels one that is being cancelled changes nothing.
func (a *Admin) CancelJob(ctx context.Context, id string) (Job, error) {
	p, err := authorize(ctx, OwnAccount)
	if err != nil {
		return Job{}, err
	}
	j, first, err := a.jobs.stop(p, id, Actor(ctx))
	if err != nil || !first {
		return j, err
	}
	return j, a.opts.Directory.Record(ctx, Actor(ctx), "job.cancel", j.ID, j.Kind)
}

// stop ends a job for p, and reports whether nobody did so before.
func (js *jobs) stop(p Principal, id, actor string) (view Job, first bool, err error) {
	js.mu.Lock()
	defer js.mu.Unlock()
	j, err := js.find(p, id)
	switch {
	case err != nil:
		return Job{}, false, err
	case j.State != JobRunning:
		return Job{}, false, &directory.Problem{Kind: directory.ErrConflict, Text: "the job has ended: there is nothing to cancel"}
	case j.Kind == jobImport:
		return Job{}, false, &directory.Problem{Kind: directory.ErrConflict, Text: "this job is an import, which is stopped under Imports, or with mailstead import cancel"}
	}
	if j.stopped != "" {
		return j.view(), false, nil
	}
	j.stopped = actor
	j.cancel(backup.ErrCancelled)
	return j.view(), true, nil
}
