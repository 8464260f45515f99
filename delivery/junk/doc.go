// Package junk says how much a message looks like junk to the people it is
// for, and why.
//
// smtp/inbound collects what is known about a message as [Evidence] and asks a
// [Scorer] for an [Opinion] for each account. An opinion is a sum of reasons;
// what is done at which score is not decided here.
package junk
