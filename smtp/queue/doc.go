// Package queue is the MTA queue: owner 0 of the message store.
package queue
