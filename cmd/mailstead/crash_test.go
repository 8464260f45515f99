package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The crash suite kills the whole server, with SIGKILL and at random moments,
// while it receives, keeps, changes and sends mail; and then holds it against
// what its clients were told. oracle is what they know, sink the world that
// mail is sent to, examiner looks at what is there.

// crashRounds is how often the crash tests kill; `make crash` asks for more.
func crashRounds(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("MAILSTEAD_CRASH_ROUNDS"))
	if err != nil {
		return 3
	}
	return n
}

const (
	mailers   = 24
	fullEvery = 10 // rounds between two checks of everything
)

// crash is one run of the suite over one data folder. What is not of the
// oracle is touched by one goroutine at a time.
type crash struct {
	*oracle
	dir      string
	round    int
	life     atomic.Int32 // number of the server's process
	sink     *sink
	killed   atomic.Bool
	inFolder map[thingID][]string // messages that were put into a folder; guarded by mu
	sums     map[string]uint32    // of reports
	written  map[string]int32     // life in which the queue wrote down that a recipient has the message
	ca       string               // as it was at the last start
	people   int                  // further accounts that may be there
	power    *powerCuts           // nil: the disk keeps what was written
}

func newCrash(t *testing.T) *crash {
	t.Helper()
	c := &crash{oracle: newOracle(), dir: filepath.Join(t.TempDir(), "data"), inFolder: map[thingID][]string{}, sums: map[string]uint32{}, written: map[string]int32{}}
	c.sink = startSink(t, &c.life)
	return c
}

// args are what every process of the server is started with.
func (c *crash) args() []string {
	return []string{"--dir", c.dir, "--no-limits", "--plain-auth", "--relay-to", c.sink.addr, "--retry", "1s"}
}

func (c *crash) start(t *testing.T) *instance {
	t.Helper()
	c.life.Add(1)
	i := startTryBy(t, c.run, c.args()...)
	ca, err := os.ReadFile(i.CA)
	if err != nil {
		t.Fatal(err)
	}
	if c.ca != "" && c.ca != string(ca) {
		t.Error("the server has another certificate authority than before, which mail programs do not trust")
	}
	c.ca = string(ca)
	return i
}

// run starts a process of the server.
func (c *crash) run(cmd *exec.Cmd) error {
	if c.power != nil {
		return c.power.start(cmd, c.dir)
	}
	return cmd.Start()
}

// died is what is left to do when a process has ended.
func (c *crash) died(t *testing.T, log string) {
	t.Helper()
	c.bury(log)
	if c.power != nil {
		c.power.cut(t)
	}
}

// prepare makes the mailboxes that stay.
func (c *crash) prepare(t *testing.T, i *instance) {
	t.Helper()
	for k, who := range i.Accounts {
		conn := i.dialFast(t, who)
		for _, box := range crashBoxes(k) {
			if err := conn.run("CREATE "+box, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// load lets all clients work until the server is killed.
func (c *crash) load(t *testing.T, i *instance) {
	t.Helper()
	c.killed.Store(false)
	before := c.mailed()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	run := func(what string, n int, client func(ctx context.Context, i *instance, worker int) error) {
		for worker := range n {
			wg.Go(func() {
				if err := client(ctx, i, worker); !c.killed.Load() {
					t.Errorf("round %d: %s %d ended before the server did: %v", c.round, what, worker, err)
				}
			})
		}
	}
	run("mailer", mailers, c.mailer)
	run("appender", appenders, c.appender)
	run("changer", 4, c.changer)
	run("folderer", 2, c.folderer)
	run("submitter", submitters, c.submitter)
	if c.round == 0 && c.power == nil {
		eventually(t, "everything was acknowledged once", func() bool { return len(c.untried()) == 0 })
	}
	if c.power != nil && c.power.lies {
		eventually(t, "there is mail to be lost", func() bool { return c.mailed() > before })
	}
	// The moment is random on purpose: each run tries others.
	time.Sleep(100*time.Millisecond + rand.N(1400*time.Millisecond))
	c.killed.Store(true)
	i.kill(t)
	cancel()
	wg.Wait()
	c.died(t, i.log.take())
}

// mailed is how much mail was acknowledged.
func (c *crash) mailed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[opMailed]
}

// untried are the operations of which none was acknowledged yet.
func (c *crash) untried() []string {
	all := []string{opMailed, opAppended, opAppendedTogether, opCopied, opFlags, opMoved, opExpunged, opCreated, opRenamed, opDeleted, opQueued}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(all, func(name string) bool { return c.count[name] > 0 })
}

// killStart starts a server and kills it while it recovers, or soon after.
func (c *crash) killStart(t *testing.T) {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c.life.Add(1)
	log := &logBuffer{}
	cmd := exec.Command(file, append([]string{"try", "--json", "-v", "--port-offset", fmt.Sprint(freeOffset(t))}, c.args()...)...)
	cmd.Stderr = log
	if err := c.run(cmd); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rand.N(250 * time.Millisecond))
	cmd.Process.Kill()
	cmd.Wait()
	c.died(t, log.take())
}

// report ends the test if there are problems.
func (c *crash) report(t *testing.T, when string, problems []string) {
	t.Helper()
	const most = 30
	for k, p := range problems {
		if k == most {
			t.Errorf("%s: and %d more", when, len(problems)-most)
			break
		}
		t.Errorf("%s: %s", when, p)
	}
	if t.Failed() {
		c.tell(t)
		t.FailNow()
	}
}

// tell logs the figures.
func (c *crash) tell(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	var lines []string
	for _, counts := range []map[string]int{c.count, c.sink.count} {
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			lines = append(lines, fmt.Sprintf("%8d  %s", counts[what], what))
		}
	}
	lines = append(lines, fmt.Sprintf("%8d  recipients taken by the sink", len(c.sink.took)))
	t.Logf("%d rounds:\n%s", c.round, strings.Join(lines, "\n"))
}

// TestCrashServer is the suite.
func TestCrashServer(t *testing.T) {
	t.Parallel()
	newCrash(t).suite(t, crashRounds(t))
}

// suite lets a server work and die, and looks at it again and again.
func (c *crash) suite(t *testing.T, rounds int) {
	t.Helper()
	for ; c.round < rounds; c.round++ {
		when := fmt.Sprintf("before round %d", c.round)
		if c.round%4 == 2 {
			c.killStart(t)
		}
		i := c.start(t)
		if c.round == 0 {
			c.prepare(t, i)
		}
		full := c.round%fullEvery == fullEvery-1
		c.report(t, when, c.check(t, i, full))
		if full {
			i.stop(t)
			c.died(t, i.log.take())
			c.report(t, when, c.checkStore(t))
			i = c.start(t)
		}
		c.load(t, i)
		c.report(t, when, nil)
	}
	c.finish(t)
}

// finish lets the queue send what it has, and looks at everything once more.
func (c *crash) finish(t *testing.T) {
	t.Helper()
	c.end(t, c.start(t), "after the last round")
}

// end is finish for a server that runs.
func (c *crash) end(t *testing.T, i *instance, when string) {
	t.Helper()
	c.report(t, when, c.check(t, i, true))
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the queue is empty", func() bool {
		return strings.Contains(output(t, "", file, "queue", "list", "--data", c.dir), "The queue is empty.")
	})
	problems := c.check(t, i, true)
	c.judgeQueue(true)
	c.report(t, "at the end", append(problems, c.take()...))
	i.stop(t)
	c.died(t, i.log.take())
	c.report(t, "at the end", c.checkStore(t))
	c.tell(t)
}
