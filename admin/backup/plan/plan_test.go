package plan

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // not every machine has it
)

func TestNext(t *testing.T) {
	at := func(day, hour, minute int) time.Time {
		return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC)
	}
	for _, tt := range []struct {
		schedule   string
		last, want time.Time
	}{
		{"off", at(1, 0, 0), time.Time{}},
		{"02:00", at(8, 2, 0), at(9, 2, 0)},
		{"02:00", at(8, 1, 59), at(8, 2, 0)},
		{"23:30", at(8, 23, 31), at(9, 23, 30)},
		{"23:30", at(9, 0, 40), at(9, 23, 30)}, // that of the day before, late
		{"00:00", at(8, 0, 0), at(9, 0, 0)},
		{"02:00", at(1, 2, 0), at(2, 2, 0)}, // long ago: it stays due until one is made
		{"6h", at(8, 2, 0), at(8, 8, 0)},
		{"2d", at(1, 0, 0), at(3, 0, 0)},
	} {
		s, err := ParseSchedule(tt.schedule)
		if got := s.Next(tt.last); err != nil || !got.Equal(tt.want) {
			t.Errorf("%s after %v: %v, %v; want %v", tt.schedule, tt.last, got, err, tt.want)
		}
	}
}

// TestNextInSummerTime follows a time of day over the days that have 23 and 25
// hours: it is the same on the clock on the wall, and once a day.
func TestNextInSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []time.Time{time.Date(2026, 3, 27, 0, 0, 0, 0, berlin), time.Date(2026, 10, 23, 0, 0, 0, 0, berlin)} {
		for _, at := range []string{"00:00", "01:30", "02:30", "03:30", "23:30"} {
			s, err := ParseSchedule(at)
			if err != nil {
				t.Fatal(err)
			}
			last := first.Add(-time.Minute)
			for day := range 5 {
				next := s.Next(last)
				want := first.AddDate(0, 0, day).Format("2006-01-02 ") + at
				skipped := want == "2026-03-29 02:30" // no clock shows it: an hour more or less
				if got := next.Format("2006-01-02 15:04"); got != want && !(skipped && (got == "2026-03-29 01:30" || got == "2026-03-29 03:30")) {
					t.Errorf("after %v it is due at %s, want %s", last, got, want)
				}
				last = next.Add(10 * time.Second)
			}
		}
	}
}

// Where summer time begins at midnight, one backup is due for each day, not one
// after the other for an hour.
func TestNextWithoutMidnight(t *testing.T) {
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"00:00", "00:30", "23:30"} {
		s, err := ParseSchedule(at)
		if err != nil {
			t.Fatal(err)
		}
		last, n := time.Date(2026, 9, 3, 12, 0, 0, 0, santiago), 0
		for ; last.Before(time.Date(2026, 9, 9, 12, 0, 0, 0, santiago)); n++ {
			next := s.Next(last)
			if !next.After(last) {
				t.Fatalf("%s: after %v it is due at %v", at, last, next)
			}
			last = next.Add(20 * time.Second)
		}
		if n > 8 || n < 6 {
			t.Errorf("%s: %d backups in six days", at, n)
		}
	}
}

// The first one is due at the time of day, and stays so when that is over.
func TestFirst(t *testing.T) {
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		schedule    string
		since, want time.Time
	}{
		{"off", at(8, 1), time.Time{}},
		{"02:00", at(8, 1), at(8, 2)},
		{"02:00", at(8, 12), at(9, 2)},
		{"6h", at(8, 3), at(8, 3)},
	} {
		s, err := ParseSchedule(tt.schedule)
		if got := s.First(tt.since); err != nil || !got.Equal(tt.want) {
			t.Errorf("%s since %v: %v, %v; want %v", tt.schedule, tt.since, got, err, tt.want)
		}
	}
}

func TestKeep(t *testing.T) {
	var ids []string
	for day := range 100 { // two a day
		for _, hour := range []int{3, 15} {
			ids = append(ids, ID(time.Date(2026, 1, 1+day, hour, 0, 0, 0, time.UTC), "abcdefgh"))
		}
	}
	kept := Retention{Last: 3, Daily: 5, Weekly: 3, Monthly: 2}.Keep(ids, time.UTC)
	var got []string
	for _, id := range ids {
		if kept[id] {
			got = append(got, id[:11])
		}
	}
	// The last three; the last of five days, three weeks and two months.
	want := []string{"20260329T15", "20260331T15", "20260405T15", "20260406T15", "20260407T15", "20260408T15", "20260409T15", "20260410T03", "20260410T15"}
	if !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	if one := (Retention{}).Keep(ids, time.UTC); len(one) != 1 || !one[ids[len(ids)-1]] {
		t.Errorf("without rules the last one is kept, not %v", one)
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"/mnt/x", "sftp://u@h:22/x", "s3://h/b/p?region=r", "s3://[::1]/b", "x", "sftp://u:p@h/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParseTarget(s); err == nil && p.Kind == "" {
			t.Errorf("ParseTarget(%q) is nothing", s)
		}
	})
}
