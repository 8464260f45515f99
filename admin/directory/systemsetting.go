package directory

import (
	"math"
	"time"
)

// Settings of the program itself.
const (
	LogLevel     TextSetting     = "log.level"
	MemoryLimit  IntSetting      = "memory.limit"
	UpgradeWatch DurationSetting = "upgrade.watch"
	UpgradeKeep  DurationSetting = "upgrade.keep"
)

// LogLevelFile is the value of [LogLevel] that leaves it to the file.
const LogLevelFile = "file"

// leastMemory is the least of [MemoryLimit]: with less there is no room for one
// password beside the server itself.
const leastMemory = 96 << 20

// systemDefinitions are the settings of the program itself.
func systemDefinitions() []definition {
	return []definition{
		{name: string(LogLevel), kind: words, initial: LogLevelFile, check: oneOf(LogLevelFile, "debug", "info", "warn", "error"),
			doc: "What is written to the log: \"error\" (an operator has to act), \"warn\", \"info\" (one line per login, transaction and delivery), \"debug\" (dialogues too), or \"file\": as the configuration file says. It counts at once."},
		{name: string(MemoryLimit), kind: size, min: leastMemory, max: math.MaxInt64,
			doc: "Memory that the server may have, such as 512 MiB: how many connections it takes, how many passwords it checks at a time and what it keeps ready follow from it. Empty: what its cgroup (container, systemd) allows, or half of the computer's memory. Never more than those. GOMEMLIMIT in the environment counts instead. It counts at once."},
		{name: string(UpgradeWatch), kind: duration, initial: "5m", min: int64(10 * time.Second), max: int64(50 * time.Minute),
			doc: "How long `mailstead upgrade` looks at a new version before it is trusted. While it is not well it goes back by itself."},
		{name: string(UpgradeKeep), kind: duration, initial: "1d", min: int64(time.Hour), max: int64(30 * day),
			doc: "How long the data from before an upgrade is kept for a way back, where it was changed. Room of deleted mail is not given back meanwhile."},
	}
}
