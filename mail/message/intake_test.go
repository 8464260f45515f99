package message

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestIntakeMemory: when messages have used up the memory they share, others go
// to files at once, and what is given back can be used again.
func TestIntakeMemory(t *testing.T) {
	in := NewIntake(t.TempDir())
	text := bytes.Repeat([]byte("0123456789abcdef"), maxMemory/16-1)
	var spools []*Spool
	inFiles := 0
	for range 2 * intakeMemory / maxMemory {
		s := in.NewSpool()
		defer s.Close()
		if err := s.Fill(bytes.NewReader(text), io.Discard); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(s.Reader()); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("read %d octets, %v", len(got), err)
		}
		if s.file != nil {
			inFiles++
		}
		spools = append(spools, s)
	}
	if used := in.used.Load(); used > intakeMemory || inFiles < len(spools)/3 || inFiles == len(spools) {
		t.Errorf("%d octets are used, %d of %d messages lie in files", used, inFiles, len(spools))
	}
	for _, s := range spools {
		s.Close()
	}
	if used := in.used.Load(); used != 0 {
		t.Errorf("%d octets are used by nobody", used)
	}
	s := in.NewSpool()
	defer s.Close()
	if s.Write(text); s.file != nil {
		t.Error("memory that was given back is not used")
	}
	in.Limit(s.memory()) // by all of which there is
	late := in.NewSpool()
	defer late.Close()
	if late.Write(text); late.file == nil {
		t.Error("a lower limit does not count")
	}
}

// TestIntakeHeader: large headers wait for a turn, others do not.
func TestIntakeHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := NewIntake(t.TempDir())
		spool := func(header string) *Spool {
			s := in.NewSpool()
			t.Cleanup(func() { s.Close() })
			if err := s.Fill(strings.NewReader(header+"text\r\n"), io.Discard); err != nil {
				t.Fatal(err)
			}
			return s
		}
		field := "X-Long: " + strings.Repeat("x", 1000) + "\r\n"
		large, small := strings.Repeat(field, 1030)+"\r\n", strings.Repeat(field, 30)+"\r\n"
		get := func(ctx context.Context, header string) (done func(), err error) {
			got, done, err := in.Header(ctx, spool(header))
			if want := header[:min(len(header), MaxHeader)]; err == nil && string(got) != want {
				t.Errorf("a header of %d octets has %d", len(want), len(got))
			}
			return done, err
		}
		var turns []func()
		for range intakeMemory / largeHeader {
			done, err := get(t.Context(), large)
			if err != nil {
				t.Fatal(err)
			}
			turns = append(turns, done)
		}
		if done, err := get(t.Context(), small); err != nil {
			t.Errorf("a small header: %v", err)
		} else {
			done()
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := get(ctx, large)
			failed <- err
		}()
		got := make(chan struct{})
		go func() {
			done, err := get(t.Context(), large)
			if err != nil {
				t.Error(err)
			}
			done()
			close(got)
		}()
		synctest.Wait()
		select {
		case <-failed:
			t.Error("a large header did not wait")
		case <-got:
			t.Error("a large header did not wait")
		default:
		}
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("error of a wait that was given up: %v", err)
		}
		turns[0]()
		<-got
	})
}

// TestIntakeStore: large messages wait for their turn to be stored, others do
// not.
func TestIntakeStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := NewIntake("")
		var turns []func()
		for range intakeMemory / largeMessage {
			done, err := in.Store(t.Context(), smallMessage+1)
			if err != nil {
				t.Fatal(err)
			}
			turns = append(turns, done)
		}
		if _, err := in.Store(t.Context(), smallMessage); err != nil {
			t.Errorf("a small message: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := in.Store(ctx, smallMessage+1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a large message did not wait: %v", err)
		}
		turns[0]()
		if _, err := in.Store(t.Context(), smallMessage+1); err != nil {
			t.Error(err)
		}
	})
}
