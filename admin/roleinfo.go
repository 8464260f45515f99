package admin

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
)

// RoleInfo says what a role may do and who has it.
type RoleInfo struct {
	Role     Role     `json:"role"`
	Rights   []Right  `json:"rights" doc:"Also the scopes of API keys."`
	Accounts []string `json:"accounts" doc:"Those who have it; of users only their number is known."`
	Count    int      `json:"count"`
}

// Roles returns all roles, the weakest first.
func (a *Admin) Roles(ctx context.Context) (Page[RoleInfo], error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Page[RoleInfo]{}, err
	}
	who := map[Role][]string{}
	count := map[Role]int{}
	for _, acct := range a.opts.Directory.AccountRows(nil).After("") {
		count[acct.Role]++
		if acct.Role != directory.RoleUser {
			who[acct.Role] = append(who[acct.Role], acct.Address.String())
		}
	}
	list := []RoleInfo{}
	for _, r := range directory.Roles() {
		list = append(list, RoleInfo{Role: r, Rights: rightsOf(r), Accounts: append([]string{}, who[r]...), Count: count[r]})
	}
	return whole(list), nil
}
