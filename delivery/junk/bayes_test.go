package junk

import (
	"math"
	"testing"
)

// TestChiSquare: values of tables of the distribution.
func TestChiSquare(t *testing.T) {
	for _, tt := range []struct {
		x       float64
		degrees int
		want    float64
	}{
		{0, 2, 1}, {1.386294, 2, 0.5}, {5.991, 2, 0.05}, {9.488, 4, 0.05}, {18.307, 10, 0.05}, {23.209, 10, 0.01}, {37.566, 20, 0.01},
		{2000, 300, 0}, {10, 300, 1},
	} {
		if got := chiSquare(tt.x, tt.degrees); math.Abs(got-tt.want) > 5e-4 {
			t.Errorf("chiSquare(%v, %d) = %v, want %v", tt.x, tt.degrees, got, tt.want)
		}
	}
}

func TestCombine(t *testing.T) {
	many := func(p float64, n int) (list []float64) {
		for range n {
			list = append(list, p)
		}
		return list
	}
	for _, tt := range []struct {
		name      string
		probs     []float64
		low, high float64
	}{
		{"nothing known", nil, 0.5, 0.5},
		{"junk", many(0.95, 12), 0.999, 1},
		{"good", many(0.05, 12), 0, 0.001},
		{"contradiction", append(many(0.99, 10), many(0.01, 10)...), 0.49, 0.51},
		{"one token is not much", many(0.99, 1), 0.9, 0.995},
		{"a thousand are not too many", many(0.999, 1000), 0.999, 1},
		{"the heaviest count", append(many(0.45, 500), many(0.99, 150)...), 0.999, 1},
	} {
		if got := combine(tt.probs); got < tt.low || got > tt.high || math.IsNaN(got) {
			t.Errorf("%s: %v, want %v to %v", tt.name, got, tt.low, tt.high)
		}
	}
}

func TestOdds(t *testing.T) {
	base := totals{Junk: 200, Good: 200}
	for _, tt := range []struct {
		name      string
		base, own count
		ownOf     totals
		low, high float64
	}{
		{"never seen", count{}, count{}, totals{}, 0.5, 0.5},
		{"once in junk", count{junk: 1}, count{}, totals{}, 0.6, 0.7},
		{"often in junk", count{junk: 100}, count{}, totals{}, 0.98, 1},
		{"everywhere", count{150, 150}, count{}, totals{}, 0.5, 0.5},
		{"one who has moved three to Junk does not change what is common", count{153, 150}, count{junk: 3}, totals{Junk: 3}, 0.45, 0.55},
		{"twenty of one's own against the base", count{20, 20}, count{good: 20}, totals{Good: 20}, 0.1, 0.25},
		{"and for others", count{20, 20}, count{}, totals{}, 0.5, 0.5},
		{"counts beyond the totals", count{junk: 900}, count{good: 7}, totals{}, 0.9, 1},
	} {
		if got := odds(tt.base, tt.own, base, tt.ownOf); got < tt.low || got > tt.high {
			t.Errorf("%s: %v, want %v to %v", tt.name, got, tt.low, tt.high)
		}
	}
}

func TestWordScore(t *testing.T) {
	last := -5.0
	for _, p := range []float64{0, 0.001, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1} {
		s := wordScore(p)
		if s < last || s < minWords || s > maxWords {
			t.Errorf("score of %v is %v, after %v", p, s, last)
		}
		last = s
	}
	if wordScore(0.5) != 0 || wordScore(0) != minWords || wordScore(1) != maxWords {
		t.Errorf("scores at the ends: %v %v %v", wordScore(0), wordScore(0.5), wordScore(1))
	}
}
