package junk

import (
	"math"
	"slices"
)

// Constants of the judgement by words.
const (
	minTrained  = 20  // messages of each class before words count
	strength    = 2   // s of Robinson: how many messages the guess is worth
	unknown     = 0.5 // x of Robinson: the guess for a token never seen
	minDistance = 0.1 // of a token's probability from 0.5, to be significant
	maxTold     = 150 // tokens that are combined
	ownHalf     = 25  // messages of a class that make the account's own layer weigh as much as the base
	maxWords    = 5   // score of what is surely junk
	minWords    = -4
	sureOdds    = 5 // odds that give maxWords: a probability of 0.83
)

// count is how many messages of each class had a token.
type count struct{ junk, good uint32 }

// totals is how many messages of each class were learned.
type totals struct{ Junk, Good uint32 }

func (t totals) enough() bool { return t.Junk >= minTrained && t.Good >= minTrained }

// odds tells how likely a token means junk. The share of messages with the
// token is that of the base mixed with the account's own, which weighs more as
// it grows; then Robinson's f(w) is taken of it ("A Statistical Approach to the
// Spam Problem", Linux Journal 107, 2003).
func odds(base, own count, baseOf, ownOf totals) float64 {
	n := float64(base.junk + base.good + own.junk + own.good)
	if n == 0 {
		return unknown
	}
	b := mixed(base.junk, baseOf.Junk, own.junk, ownOf.Junk)
	g := mixed(base.good, baseOf.Good, own.good, ownOf.Good)
	if b+g == 0 {
		return unknown
	}
	return (strength*unknown + n*b/(b+g)) / (strength + n)
}

// mixed is the share of messages of one class that have a token.
func mixed(base, baseOf, own, ownOf uint32) float64 {
	weight := float64(ownOf) / (float64(ownOf) + ownHalf)
	return (1-weight)*share(base, baseOf) + weight*share(own, ownOf)
}

func share(n, of uint32) float64 {
	if of == 0 {
		return 0
	}
	return min(float64(n)/float64(of), 1)
}

// combine makes one probability of those of tokens, by Fisher's method in both
// directions, as Robinson combines them: 0 is surely good, 1 surely junk, 0.5
// either unknown or contradictory. probs is sorted by it.
func combine(probs []float64) float64 {
	if len(probs) > maxTold {
		slices.SortFunc(probs, func(a, b float64) int {
			da, db := math.Abs(a-0.5), math.Abs(b-0.5)
			switch {
			case da > db:
				return -1
			case da < db:
				return 1
			}
			return 0
		})
		probs = probs[:maxTold]
	}
	if len(probs) == 0 {
		return 0.5
	}
	var lnJunk, lnGood float64
	for _, p := range probs {
		lnJunk += math.Log(p)
		lnGood += math.Log(1 - p)
	}
	// Each is small if the tokens together are too extreme to be chance.
	looksGood := 1 - chiSquare(-2*lnJunk, 2*len(probs))
	looksJunk := 1 - chiSquare(-2*lnGood, 2*len(probs))
	return (1 + looksJunk - looksGood) / 2
}

// chiSquare is the probability that a chi-square variable with an even number
// of degrees of freedom exceeds x.
func chiSquare(x float64, degrees int) float64 {
	m := x / 2
	term := math.Exp(-m)
	sum := term
	for i := 1; i < degrees/2; i++ {
		term *= m / float64(i)
		sum += term
	}
	return min(sum, 1)
}

// wordScore maps a combined probability to a score, in proportion to the
// logarithm of the odds.
func wordScore(p float64) float64 {
	const least = 1e-9
	p = min(max(p, least), 1-least)
	s := math.Log(p/(1-p)) / math.Log(sureOdds)
	if s > 0 {
		return min(s*maxWords, maxWords)
	}
	return max(-s*minWords, minWords)
}
