// Package memstore is an engine in memory: the model of what store.Store
// promises. Tests use it where no disk is needed, and package storetest holds
// it against the same suite as the real engine. Nothing survives Close.
package memstore
