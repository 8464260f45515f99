package directory

import (
	"context"
	"sync"
)

// watchers are the sessions that want to know when their login is no longer
// good: its app password is revoked, the password changed, the account
// suspended or removed.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
}

// watcher is one session, and what it has logged in with.
type watcher struct {
	account uint32
	app     *appPassword // nil: the password of the account
	cred    *credential
	over    context.Context
	end     context.CancelFunc
}

// watch has f called in its own goroutine when the login is no longer good.
// stop is as that of context.AfterFunc.
func (w *watchers) watch(who *watcher, f func()) (stop func() bool) {
	who.over, who.end = context.WithCancel(context.Background())
	stopped := context.AfterFunc(who.over, f)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*watcher]struct{}{}
	}
	w.all[who] = struct{}{}
	return func() bool {
		ended := stopped()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, who)
		who.end()
		return ended
	}
}

// check ends what the present snapshot does not allow any more.
func (w *watchers) check(s *snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for who := range w.all {
		if !who.good(s) {
			delete(w.all, who)
			who.end()
		}
	}
}

func (who *watcher) good(s *snapshot) bool {
	a := s.accounts[who.account]
	if a == nil || a.Suspended {
		return false
	}
	if dom := s.domains[a.Address.Domain]; dom == nil || dom.Disabled {
		return false
	}
	if who.app != nil {
		return s.appPasswords[who.app.hash] == who.app
	}
	return s.credentials[who.account] == who.cred && !s.appOnly(who.account)
}
