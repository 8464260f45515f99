package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// crashRounds is how many rounds a crash test makes: a few, or as many as the
// environment says.
func crashRounds(t *testing.T, few int) int {
	if n, err := strconv.Atoi(os.Getenv("MAILSTEAD_CRASH_ROUNDS")); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		t.Skip("short")
	}
	return few
}

const (
	crashWorkers = 24
	crashOwners  = 6
)

// crashID names a message of a crash test. Who gets it and what is in it
// follow from the name.
type crashID struct{ run, worker, seq int }

func (id crashID) String() string { return fmt.Sprintf("%d.%d.%d", id.run, id.worker, id.seq) }

func parseCrashID(s string) (id crashID, err error) {
	_, err = fmt.Sscanf(s, "%d.%d.%d", &id.run, &id.worker, &id.seq)
	return id, err
}

func (id crashID) owners() []Owner {
	first := (id.worker + id.seq) % crashOwners
	all := []Owner{Owner(first)}
	if id.seq%5 == 0 {
		all = append(all, Owner((first+1)%crashOwners), Owner((first+3)%crashOwners))
	}
	return all
}

func (id crashID) body() string {
	n := (id.seq*977 + id.worker*131) % 6000
	if (id.seq+id.worker)%40 == 7 {
		n += maxInLog
	}
	return pattern(id.run*10_000_000+id.worker*100_000+id.seq, n)
}

// crashLoad uses a store until it ends, and says what it did, a line each:
//
//	A id             accepted
//	N owner id n     accepted, as row n of the owner
//	U owner key n    the row has n
//	T owner id       about to remove the message from the owner's rows
//	R owner id       removed
type crashLoad struct {
	e     *Engine
	run   int
	tell  func(line string)
	steps int // of each worker
}

func (l *crashLoad) work() error {
	var wg sync.WaitGroup
	problems := make(chan error, crashWorkers)
	for w := range crashWorkers {
		wg.Go(func() {
			for seq := range l.steps {
				if err := l.step(crashID{l.run, w, seq}); err != nil {
					problems <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(problems)
	var all error
	for err := range problems {
		all = errors.Join(all, err)
	}
	return all
}

func (l *crashLoad) step(id crashID) error {
	owner := id.owners()[0]
	if err := l.accept(id); err != nil {
		return err
	}
	if id.seq%4 == 1 {
		if err := l.count(owner, id); err != nil {
			return err
		}
	}
	if id.seq%3 == 2 {
		l.tell(fmt.Sprintf("T %d %s", owner, id))
		if err := l.remove(owner, id); err != nil {
			return err
		}
		l.tell(fmt.Sprintf("R %d %s", owner, id))
	}
	if id.worker == 0 && id.seq%16 == 9 {
		return l.e.Reclaim(context.Background())
	}
	return nil
}

func (l *crashLoad) accept(id crashID) error {
	if id.seq%4 == 3 && len(id.owners()) == 1 {
		m := &Message{To: []Recipient{{Owner: id.owners()[0]}}, Meta: []byte(id.String()), Body: strings.NewReader(id.body()), Size: -1}
		n, err := l.e.AcceptApplied(context.Background(), m)
		if err == nil {
			l.tell(fmt.Sprintf("N %d %s %d", id.owners()[0], id, n))
		}
		return err
	}
	_, err := tryAccept(l.e, id.String(), id.body(), id.owners()...)
	if err == nil {
		l.tell("A " + id.String())
	}
	return err
}

// count sets two rows that must always be the same.
func (l *crashLoad) count(owner Owner, id crashID) error {
	key, n := fmt.Sprintf("%d.%d", id.run, id.worker), strconv.Itoa(id.seq)
	err := l.e.Update(context.Background(), owner, func(rw RW) error {
		return errors.Join(rw.Put('u', []byte(key), []byte(n)), rw.Put('v', []byte(key), []byte(n)))
	})
	if err == nil {
		l.tell(fmt.Sprintf("U %d %s %s", owner, key, n))
	}
	return err
}

func (l *crashLoad) remove(owner Owner, id crashID) error {
	return l.e.Update(context.Background(), owner, func(rw RW) error {
		for k, v := range rw.ScanBack(testInbox, nil, nil) {
			if string(v[16:]) == id.String() {
				rw.Release(Ref(v[:16]))
				return rw.Delete(testInbox, append([]byte(nil), k...))
			}
		}
		return fmt.Errorf("owner %d does not have %s, which was accepted", owner, id)
	})
}

// crashState is what lines of crashLoad promise.
type crashState struct {
	accepted       map[crashID]bool
	tried, removed map[string]bool   // "owner id"
	rows           map[string]int    // "owner key"
	numbers        map[string]uint64 // "owner id"
}

func readCrashLines(lines []string) (*crashState, error) {
	s := &crashState{accepted: map[crashID]bool{}, tried: map[string]bool{}, removed: map[string]bool{}, rows: map[string]int{}, numbers: map[string]uint64{}}
	for _, line := range lines {
		what, rest, _ := strings.Cut(line, " ")
		switch what {
		case "A":
			id, err := parseCrashID(rest)
			if err != nil {
				return nil, err
			}
			s.accepted[id] = true
		case "N":
			var o, n uint64
			var name string
			if _, err := fmt.Sscan(rest, &o, &name, &n); err != nil {
				return nil, err
			}
			id, err := parseCrashID(name)
			if err != nil {
				return nil, err
			}
			s.accepted[id], s.numbers[fmt.Sprintf("%d %s", o, id)] = true, n
		case "T":
			s.tried[rest] = true
		case "R":
			s.removed[rest] = true
		case "U":
			i := strings.LastIndexByte(rest, ' ')
			n, err := strconv.Atoi(rest[i+1:])
			if err != nil {
				return nil, err
			}
			s.rows[rest[:i]] = max(n, s.rows[rest[:i]])
		default:
			return nil, fmt.Errorf("line %q", line)
		}
	}
	return s, nil
}

// check opens the store and holds it against the promises.
func (s *crashState) check(dir string, opts Options) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	e, err := Open(dir, opts)
	if err != nil {
		return []string{err.Error()}
	}
	defer func() {
		if err := e.Close(); err != nil {
			bad("close: %v", err)
		}
	}()
	has := map[string]bool{} // "owner id"
	ids := map[crashID]bool{}
	for o := range Owner(crashOwners) {
		err := e.View(context.Background(), o, func(tx Tx) error {
			s.checkOwner(e, o, tx, has, ids, bad)
			return nil
		})
		if err = errors.Join(err, e.Check(context.Background(), o)); err != nil {
			bad("owner %d: %v", o, err)
		}
	}
	// What a crash left half written is no damage.
	if err := e.Scrub(context.Background(), func(problem string) { bad("%s", problem) }); err != nil {
		bad("scrub: %v", err)
	}
	for id := range s.accepted {
		ids[id] = true
	}
	for id := range ids { // also those not acknowledged: for all, or for none
		for _, o := range id.owners() {
			key := fmt.Sprintf("%d %s", o, id)
			switch {
			case s.removed[key] && has[key]:
				bad("owner %d: %s is back", o, id)
			case !s.tried[key] && !has[key]:
				bad("owner %d: %s is lost (acknowledged: %t)", o, id, s.accepted[id])
			}
		}
	}
	return problems
}

// checkOwner checks the rows of one owner against themselves.
func (s *crashState) checkOwner(e *Engine, o Owner, tx Tx, has map[string]bool, ids map[crashID]bool, bad func(string, ...any)) {
	last := map[[2]int]int{}
	var place lsn
	for _, m := range testEntries(tx) {
		id, err := parseCrashID(m.meta)
		key := fmt.Sprintf("%d %s", o, id)
		worker := [2]int{id.run, id.worker}
		before, ok := last[worker]
		_, big := m.ref.big()
		switch {
		case err != nil || !slices.Contains(id.owners(), o):
			bad("owner %d has %q", o, m.meta)
		case has[key]:
			bad("owner %d has %s twice", o, id)
		case ok && before >= id.seq, !big && m.ref.place() <= place:
			bad("owner %d: %s is out of order", o, id)
		}
		if n, ok := s.numbers[key]; ok && m.key != string(binary.BigEndian.AppendUint64(nil, n)) {
			bad("owner %d: %s has row %x and was told %d", o, id, m.key, n)
		}
		has[key], ids[id], last[worker] = true, true, id.seq
		if !big {
			place = m.ref.place()
		}
		if body, err := readAll(e, m.ref); err != nil || body != id.body() {
			bad("owner %d: body of %s has %d octets, %v; want %d", o, id, len(body), err, len(id.body()))
		}
	}
	for row, n := range s.rows {
		key, ok := strings.CutPrefix(row, fmt.Sprintf("%d ", o))
		if !ok {
			continue
		}
		u, v := tx.Get('u', []byte(key)), tx.Get('v', []byte(key))
		if got, err := strconv.Atoi(string(u)); err != nil || got < n || string(u) != string(v) {
			bad("owner %d: row %s is %q and %q, want %d or more", o, key, u, v, n)
		}
	}
}

// crashOptions make much happen in a short time.
func crashOptions() Options {
	return Options{Apply: testApply, SegmentSize: 256 << 10, ApplyDelay: 3 * time.Millisecond, MaxOpen: few(4), Grace: time.Nanosecond, Reserve: -1}
}

const (
	crashDirEnv = "MAILSTEAD_CRASH_DIR"
	crashRunEnv = "MAILSTEAD_CRASH_RUN"
)

// TestCrashKillChild is the process that TestCrashKill kills.
func TestCrashKillChild(t *testing.T) {
	dir := os.Getenv(crashDirEnv)
	if dir == "" {
		t.Skip("only for TestCrashKill")
	}
	run, err := strconv.Atoi(os.Getenv(crashRunEnv))
	if err != nil {
		t.Fatal(err)
	}
	told, err := os.OpenFile(dir+".told", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	fmt.Println("opening")
	e, err := Open(dir, crashOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var once sync.Once
	load := crashLoad{e: e, run: run, steps: 1 << 30, tell: func(line string) {
		if _, err := told.WriteString(line + "\n"); err != nil { // one write, which a kill does not divide
			panic(err)
		}
		once.Do(func() { fmt.Println("working") })
	}}
	t.Fatal(load.work())
}

// TestCrashKill kills a process that uses a store, again and again, and looks
// whether everything that it was told is true.
func TestCrashKill(t *testing.T) {
	t.Parallel()
	rounds := crashRounds(t, 4)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var dir string
	done := 0
	for run := range rounds {
		if run%10 == 0 {
			dir = filepath.Join(t.TempDir(), "store")
		}
		begin := "opening" // half of them may be killed before they have opened it
		if run%2 == 1 {
			begin = "working"
		}
		killChild(t, dir, run, begin, 20*time.Millisecond+time.Duration(random.Int64N(int64(180*time.Millisecond))))
		lines := toldLines(t, dir)
		state, err := readCrashLines(lines)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range state.check(dir, crashOptions()) {
			t.Errorf("round %d: %s", run, p)
		}
		if t.Failed() {
			t.FailNow()
		}
		if run%10 == 9 || run == rounds-1 {
			done += len(lines)
		}
	}
	if done == 0 {
		t.Error("nothing was acknowledged in any round")
	}
	t.Logf("%d rounds, %d acknowledgements", rounds, done)
}

// killChild lets a child use the store for a time after it has said a word.
func killChild(t *testing.T, dir string, run int, begin string, after time.Duration) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestCrashKillChild$", "-test.v")
	child.Env = append(os.Environ(), crashDirEnv+"="+dir, fmt.Sprintf("%s=%d", crashRunEnv, run))
	var stderr strings.Builder
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if strings.HasSuffix(line, begin+"\n") {
			break
		}
		if err != nil {
			child.Wait()
			t.Fatalf("the child has not begun: %v\n%s", err, stderr.String())
		}
	}
	time.AfterFunc(after, func() { child.Process.Kill() })
	rest, _ := io.ReadAll(lines)
	err = child.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v\n%s\n%s", err, rest, stderr.String())
	}
}

func toldLines(t *testing.T, dir string) []string {
	t.Helper()
	b, err := os.ReadFile(dir + ".told")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")[:strings.Count(string(b), "\n")]
}

// few is an Options.MaxOpen.
func few(n int) func() int { return func() int { return n } }
