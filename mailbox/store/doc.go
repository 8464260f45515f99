// Package store is the message store's engine.
package store
