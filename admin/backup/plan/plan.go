// Package plan says when backups are made, where they go and which are kept. It
// does nothing by itself: settings are checked by it, and backup follows it.
package plan

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Schedule says when backups are made. The zero value is never.
type Schedule struct {
	every        time.Duration
	hour, minute int
	daily        bool
}

// ParseSchedule reads "off", a time of day as in 02:30, or how long after the
// last one as in 6h.
func ParseSchedule(s string) (Schedule, error) {
	if s == "" || s == "off" {
		return Schedule{}, nil
	}
	if t, err := time.Parse("15:04", s); err == nil {
		return Schedule{daily: true, hour: t.Hour(), minute: t.Minute()}, nil
	}
	d, err := time.ParseDuration(strings.Replace(s, "d", "h", 1))
	if n, ok := strings.CutSuffix(s, "d"); ok && err == nil {
		days, nerr := strconv.Atoi(n)
		d, err = time.Duration(days)*24*time.Hour, nerr
	}
	if err != nil || d < 10*time.Minute || d > 31*24*time.Hour {
		return Schedule{}, fmt.Errorf("%q is no schedule: write \"off\", a time of day as in 02:30, or how often as in 6h, from 10m to 31d", s)
	}
	return Schedule{every: d}, nil
}

// Next is when a backup is due, if the last one was begun at a time; the zero
// time is never. A time of day is that of the zone of last. Who was away then
// finds it in the past: one backup is due now, however many were missed.
func (s Schedule) Next(last time.Time) time.Time {
	switch {
	case s.daily:
		for day := 0; ; day++ { // where midnight is skipped for summer time, the one of tomorrow can be before last, too
			if next := s.on(last, day); last.Before(next) {
				return next
			}
		}
	case s.every > 0:
		return last.Add(s.every)
	}
	return time.Time{}
}

// First is when a backup is due, if there was none, and the schedule is followed
// since a time; the zero time is never.
func (s Schedule) First(since time.Time) time.Time {
	switch {
	case s.daily:
		return s.Next(since)
	case s.every > 0:
		return since
	}
	return time.Time{}
}

// on is the time of day some days after that of t, by the clock on the wall: a
// day that begins or ends summer time has not 24 hours.
func (s Schedule) on(t time.Time, days int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+days, s.hour, s.minute, 0, 0, t.Location())
}

// Place is where a target is, taken apart.
type Place struct {
	Kind string // folder, sftp, s3
	Path string // of a folder, here or there; the prefix of names in a bucket
	Host string // with its port, if one was named
	User string
	// Of S3.
	Bucket, Region string
	Plain          bool // without TLS
}

var errTarget = errors.New("write a folder as in /mnt/backup, sftp://user@host/folder, or s3://host/bucket/folder?region=eu-1")

// ParseTarget reads a target.
func ParseTarget(s string) (Place, error) {
	if filepath.IsAbs(s) {
		return Place{Kind: "folder", Path: filepath.Clean(s)}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return Place{}, errTarget
	}
	if _, has := u.User.Password(); has {
		return Place{}, errors.New("a password does not belong into the target, where everybody sees it; there are settings for it")
	}
	p := Place{Kind: u.Scheme, Host: u.Host, User: u.User.Username(), Path: strings.Trim(u.Path, "/")}
	switch u.Scheme {
	case "sftp":
		if p.User == "" || p.Path == "" || u.RawQuery != "" {
			return Place{}, errTarget
		}
		p.Path = u.Path // from the root; /~/ is from the home
		return p, nil
	case "s3", "s3+http":
		p.Bucket, p.Path, _ = strings.Cut(p.Path, "/")
		p.Region = u.Query().Get("region")
		p.Kind, p.Plain = "s3", u.Scheme == "s3+http"
		if p.Bucket == "" || p.User != "" {
			return Place{}, errTarget
		}
		return p, nil
	}
	return Place{}, errTarget
}
