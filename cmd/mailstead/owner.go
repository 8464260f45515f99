package main

import (
	"fmt"
	"os"
	"syscall"
)

// becomeOwner makes a process of root one of the user that the data belongs
// to, for good. Otherwise what it makes there would be root's, and the service
// could not open it; and root would follow links that somebody else made. Open
// what only root may open before.
func becomeOwner(data string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(data)
	if err != nil {
		return nil // it is made, or missed, by who opens it
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	uid, gid := int(st.Uid), int(st.Gid)
	for _, step := range []func() error{
		func() error { return syscall.Setgroups([]int{gid}) },
		func() error { return syscall.Setgid(gid) },
		func() error { return syscall.Setuid(uid) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("go on as the owner of %s, user %d: %w", data, uid, err)
		}
	}
	return nil
}
