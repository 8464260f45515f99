package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
)

// Rows of the store.
const (
	rowAlerts   = "alerts"
	rowChannels = "alerts/channels"
	rowNotices  = "alerts/notices"
	rowDaily    = "alerts/daily"
)

// storedAlert is an alert with what people do not see.
type storedAlert struct {
	Alert
	Worst checks.State `json:"worst,omitempty"`
	Good  time.Time    `json:"good,omitzero"`
	About string       `json:"about,omitempty"`
	Quiet bool         `json:"quiet,omitempty"`
}

// load reads everything when it is first needed; s.mu is held.
func (s *Service) load(ctx context.Context) error {
	if s.loaded {
		return nil
	}
	var alerts []storedAlert
	var channels []Channel
	var notices []notice
	var daily dailyState
	for name, v := range map[string]any{rowAlerts: &alerts, rowChannels: &channels, rowNotices: &notices, rowDaily: &daily} {
		if _, err := s.opts.Store.State(ctx, name, v); err != nil {
			return fmt.Errorf("alerts: %w", err)
		}
	}
	s.alerts, s.looked = book{}, map[string]time.Time{}
	for i := range alerts {
		a := &alerts[i].Alert
		a.Worst, a.Good, a.about, a.quiet = alerts[i].Worst, alerts[i].Good, alerts[i].About, alerts[i].Quiet
		s.alerts[a.ID] = a
	}
	s.channels, s.notices, s.daily, s.loaded = channels, notices, daily, true
	return nil
}

func (s *Service) putAlerts(ctx context.Context) error {
	var list []storedAlert
	for _, id := range s.alerts.ids() {
		a := s.alerts[id]
		list = append(list, storedAlert{*a, a.Worst, a.Good, a.about, a.quiet})
	}
	// Most looks change nothing, and cost nothing.
	text, err := json.Marshal(list)
	if err != nil || bytes.Equal(text, s.written) {
		return err
	}
	if err := s.opts.Store.PutState(ctx, rowAlerts, list); err != nil {
		return err
	}
	s.written = text
	return nil
}

func (s *Service) putChannels(ctx context.Context, list []Channel) error {
	if err := s.opts.Store.PutState(ctx, rowChannels, list); err != nil {
		return err
	}
	s.channels = list
	return nil
}

// maxWaiting bounds what waits to be told, in octets: a row of the store has
// 256 KiB.
const maxWaiting = 200 << 10

// putNotices keeps what waits; if that is too much, the newest.
func (s *Service) putNotices(ctx context.Context, list []notice) error {
	size, first := 0, len(list)
	for i, n := range slices.Backward(list) {
		b, err := json.Marshal(n)
		if err != nil {
			return err
		}
		if size += len(b); size > maxWaiting || len(list)-i > maxNotices {
			break
		}
		first = i
	}
	if first > 0 {
		s.opts.Logger.WarnContext(ctx, "alerts: too much waits to be told", "dropped", first)
		list = list[first:]
	}
	if err := s.opts.Store.PutState(ctx, rowNotices, list); err != nil {
		return err
	}
	s.notices = list
	return nil
}

func (s *Service) putDaily(ctx context.Context, d dailyState) error {
	if err := s.opts.Store.PutState(ctx, rowDaily, d); err != nil {
		return err
	}
	s.daily = d
	return nil
}

// lastLook is when the check of an alert was last run by us; s.mu is held.
func (s *Service) lastLook(id string) time.Time {
	if t, ok := s.looked[id]; ok {
		return t
	}
	return s.alerts[id].Fired
}
