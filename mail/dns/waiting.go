package dns

import "context"

type waitingKey struct{}

// WithWaiting returns a context that has f called whenever a lookup with it is
// about to wait for an answer, in the goroutine that will wait. Whoever has
// more to do can have another goroutine go on; as long as all answers are in
// the cache, none is needed. f must be quick and may be called at once by many.
func WithWaiting(ctx context.Context, f func()) context.Context {
	return context.WithValue(ctx, waitingKey{}, f)
}

// Waiting says that the caller is about to wait for something that was looked
// up; see [WithWaiting]. Resolvers call it.
func Waiting(ctx context.Context) {
	if f, ok := ctx.Value(waitingKey{}).(func()); ok {
		f()
	}
}
