package memory

import (
	"math"
	"strconv"
	"strings"
)

// parseGoLimit reads GOMEMLIMIT as Go's runtime does: octets, or with one of
// its units. ok is false where that is no limit.
func parseGoLimit(s string) (n int64, ok bool) {
	digits := strings.TrimSuffix(s, "B")
	shift := 0
	if rest, ok := strings.CutSuffix(digits, "i"); ok && rest != "" && digits != s {
		at := strings.IndexByte("KMGT", rest[len(rest)-1])
		if at < 0 {
			return 0, false
		}
		digits, shift = rest[:len(rest)-1], 10*(at+1)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>shift {
		return 0, false
	}
	n <<= shift
	return n, n < unlimited
}
