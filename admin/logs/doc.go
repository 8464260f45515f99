// Package logs keeps the last lines of the log, for the console. [Ring] stands
// before the handler that writes them down; cmd puts it there, and package
// admin reads it. What looks like a secret is not
// shown.
package logs
