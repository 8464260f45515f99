package signin

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/signin/passkeytest"
)

// TestSecretsStayInside walks through everything and looks for what was
// secret in the log, the audit log, the history and the errors.
func TestSecretsStayInside(t *testing.T) {
	f := open(t)
	var out strings.Builder
	f.opts.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secrets := map[string]string{"password": right, "wrong password": wrong, "new password": "another horse"}
	say := func(err error) { fmt.Fprintln(&out, err) }

	r := f.signIn(t)
	secrets["session"] = r.Token
	_, err := f.Password(t.Context(), home, "ana@example.org", wrong)
	say(err)
	a := passkeytest.New(origin)
	made := f.register(t, a)
	secrets["user handle"] = string(a.Handle)
	a.Origin = "https://evil.example"
	_, err = f.passkey(t, a, "")
	say(err)
	_, err = f.RenamePasskey(t.Context(), r.Session, made.ID, "Key ring")
	say(err)

	secret, codes := f.totp(t)
	secrets["TOTP"] = base32.StdEncoding.EncodeToString(secret)
	for i, c := range codes {
		secrets[fmt.Sprint("recovery code ", i)] = c
	}
	r = f.signIn(t)
	secrets["ticket"] = r.Ticket
	_, err = f.TOTP(t.Context(), home, r.Ticket, "271828")
	say(err)
	secrets["wrong code"] = "271828"
	_, err = f.Recovery(t.Context(), home, r.Ticket, codes[0])
	say(err)

	link, _, err := f.Invite(t.Context(), "test", f.bo)
	say(err)
	secrets["link"] = link
	_, err = f.Accept(t.Context(), home, link, "another horse")
	say(err)
	_, err = f.Accept(t.Context(), home, link, "another horse")
	say(err)
	code, _, err := f.SetupCode(t.Context())
	say(err)
	secrets["setup code"] = code
	setup, _, err := f.Redeem(t.Context(), home, code)
	say(err)
	secrets["setup session"] = setup
	_, err = f.FinishSetup(t.Context(), home, setup, f.ana)
	say(err)

	audit, err := f.dir.Audit(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	logins, err := f.dir.Logins(t.Context(), directory.LoginFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(&out).Encode([]any{audit, logins, f.history.attempts}); err != nil {
		t.Fatal(err)
	}
	for _, there := range []string{"signed in", "passkey refused", "sign-in failed", "passkey.set", "totp.set", "setup.redeem"} {
		if !strings.Contains(out.String(), there) {
			t.Errorf("%q is not to be found", there)
		}
	}
	for name, s := range secrets {
		if s == "" || strings.Contains(out.String(), s) {
			t.Errorf("%s: %q got out", name, s)
		}
	}
}
