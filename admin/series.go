package admin

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/metrics"
)

// Series is numbers over time, as columns.
type Series struct {
	Names []string `json:"names"`
	Step  int      `json:"step" doc:"Seconds between two points."`
	// Points are [Unix time, value of names[0], …].
	Points [][]*float64 `json:"points" doc:"Each is [Unix seconds, value of names[0], …]; null is not known."`
}

// SeriesQuery asks for numbers over time.
type SeriesQuery struct {
	Names    []string
	From, To time.Time     // zero: the last 24 hours
	Step     time.Duration // 0: one that gives about 300 points
}

// Series returns numbers over time, of the whole server.
func (a *Admin) Series(ctx context.Context, q SeriesQuery) (Series, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Series{}, err
	}
	if !p.allDomains() {
		return Series{}, &directory.Problem{Kind: ErrForbidden, Text: "the numbers are those of all domains"}
	}
	if a.opts.Series == nil {
		return Series{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server counts; start it with `mailstead serve`"}
	}
	return a.series(ctx, q)
}

func (a *Admin) series(ctx context.Context, q SeriesQuery) (Series, error) {
	found, err := a.opts.Series.Query(ctx, metrics.Query{Names: q.Names, From: q.From, To: q.To, Step: q.Step})
	if errors.Is(err, metrics.ErrUnknown) {
		return Series{}, At("name", invalid("%v", err))
	}
	if err != nil {
		return Series{}, err
	}
	s := Series{Names: found.Names, Step: int(found.Step / time.Second), Points: [][]*float64{}}
	for _, point := range found.Points {
		at := float64(point.Time.Unix())
		row := []*float64{&at}
		for _, v := range point.Values {
			row = append(row, known(v))
		}
		s.Points = append(s.Points, row)
	}
	return s, nil
}

// known is a number, or nil if nobody knows it.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
