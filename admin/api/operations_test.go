package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// row is how one operation is tested: it succeeds, it names what is wrong with
// bad input, and it refuses who does not have the right.
type row struct {
	as     string // of the success; "" is owner@a.test, "-" is nobody
	path   string // of the success, where the document's has parameters
	body   string
	code   int // of the success
	header map[string]string

	// bad is a request that is not valid, as "path body"; where names the field
	// that the answer blames. "" where there is no input that could be wrong.
	bad, where string
	badCode    int // 422 if 0

	// weak is the strongest role that is refused, and how: 403 if 0. "-" is an
	// operation that is open to all.
	weak     string
	weakCode int
}

// ids names one message.
func ids(id string) string { return fmt.Sprintf(`{"ids":[%q]}`, id) }

// operations has a row for every operation of the document.
func operations(w *world) map[string]row {
	t := w.t
	banned := w.ban() // takes its time, in which proofs of sign-ins end
	queued, traced := w.enqueue("user@a.test", "x@far.example"), w.trace("user@a.test", "x@far.example")
	appPassword := w.do(attempt{as: "user@a.test", method: "POST", path: "/me/app-passwords", body: `{"label":"phone"}`}).field(t, "id")
	otherAppPassword := w.do(attempt{as: "user@a.test", method: "POST", path: "/me/app-passwords", body: `{"label":"tablet"}`}).field(t, "id")
	if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/aliases", body: `{"address":"info@a.test","targets":["user@a.test"]}`}); r.code != http.StatusOK {
		t.Fatalf("alias: %+v", r)
	}
	if r := w.do(attempt{as: "owner@a.test", method: "POST", path: "/domains/a.test/dkim", body: `{"selector":"s1","algorithm":"ed25519"}`}); r.code != http.StatusCreated {
		t.Fatalf("key of a domain: %+v", r)
	}
	key := w.do(attempt{as: "owner@a.test", method: "POST", path: "/api-keys", body: `{"label":"x","role":"support"}`}).field(t, "id")
	session := w.sessionID("user@a.test")
	ownSession := w.sessionID("helper@a.test")
	change := w.do(attempt{as: "owner@a.test", method: "PATCH", path: "/accounts/bob@b.test", body: `{"name":"Bob"}`})
	if change.code != http.StatusOK {
		t.Fatalf("change to undo: %+v", change)
	}
	undo := w.lastChange()
	exported := w.export("user@a.test")
	channel := w.do(attempt{as: "owner@a.test", method: "POST", path: "/alert-channels", body: `{"kind":"ntfy","to":"https://ntfy.far.example/x"}`}).field(t, "id")
	webhook := w.do(attempt{as: "owner@a.test", method: "POST", path: "/webhooks", body: `{"url":"https://far.example/hook","events":["message.received"]}`}).field(t, "id")
	signIn := fmt.Sprintf(`{"address":"user@a.test","password":%q}`, password)
	wrongPasskey := `{"ticket":"x","credential":{}}`
	rows := map[string]row{
		"get-session":            {as: "-", weak: "-"},
		"sign-in":                {as: "-", body: signIn, bad: `/session {"address":1,"password":"x"}`, where: "body.address", weak: "-"},
		"sign-in-totp":           {as: "-", body: `{"code":"123456"}`, code: 401, bad: `/session:totp {}`, where: "body.code", weak: "-"},
		"sign-in-recovery":       {as: "-", body: `{"code":"x"}`, code: 401, bad: `/session:recovery {}`, where: "body.code", weak: "-"},
		"sign-in-passkey-begin":  {as: "-", body: `{}`, bad: `/session:passkey-begin {"address":1}`, where: "body.address", weak: "-"},
		"sign-in-passkey-finish": {as: "-", body: wrongPasskey, code: 401, bad: `/session:passkey-finish {"ticket":"x"}`, where: "body.credential", weak: "-"},
		"look-at-invite":         {as: "-", path: "/invites/nothing:look", code: 410, bad: "/invites/" + strings.Repeat("x", 201) + ":look", where: "path.token", weak: "-"},
		"accept-invite":          {as: "-", path: "/invites/nothing:accept", body: `{"password":"a good password"}`, code: 410, bad: `/invites/nothing:accept {}`, where: "body.password", weak: "-"},
		"make-setup-code":        {code: 403, weak: "admin"},
		"redeem-setup-code":      {as: "-", body: `{"code":"x"}`, code: 404, bad: `/setup:redeem {}`, where: "body.code", weak: "-"},
		"get-setup":              {as: "-", code: 404, weak: "-"},
		"answer-setup":           {as: "-", path: "/setup/you", body: `{}`, code: 404, bad: `/setup/nowhere {}`, where: "path.step", weak: "-"},
		"check-setup":            {as: "-", path: "/setup/dns:check", code: 404, bad: "/setup/nowhere:check", where: "path.step", weak: "-"},
		"survey-domain":          {as: "-", body: `{"domain":"c.test"}`, code: 404, bad: `/setup:survey {}`, where: "body.domain", weak: "-"},
		"hand-over-setup":        {as: "-", code: 404, weak: "-"},
		"finish-setup":           {as: "-", code: 404, weak: "-"},
		"sign-out":               {as: "chief@a.test", weak: "nobody", weakCode: 401},
		"reauth":                 {body: fmt.Sprintf(`{"password":%q}`, password), bad: `/session:reauth {}`, where: "body.password", weak: "nobody", weakCode: 401},
		"reauth-passkey-begin":   {code: 422, weak: "nobody", weakCode: 401},

		"get-me":                 {as: "user@a.test", weak: "nobody", weakCode: 401},
		"change-me":              {as: "user@a.test", body: `{"name":"U"}`, bad: `/me {"forward":["x"]}`, where: "body.forward", weak: "nobody", weakCode: 401},
		"set-my-password":        {as: "owner2@b.test", body: fmt.Sprintf(`{"current":%q,"password":"another one here"}`, password), code: 204, bad: `/me:password {"current":"x"}`, where: "body.password", weak: "nobody", weakCode: 401},
		"list-my-passkeys":       {as: "user@a.test", weak: "nobody", weakCode: 401},
		"add-passkey-begin":      {as: "user@a.test", weak: "nobody", weakCode: 401},
		"add-passkey-finish":     {as: "user@a.test", body: `{"ticket":"x","credential":{},"label":"key"}`, code: 401, bad: `/me/passkeys:finish {"ticket":"x","label":"y"}`, where: "body.credential", weak: "nobody", weakCode: 401},
		"rename-passkey":         {as: "user@a.test", path: "/me/passkeys/x", body: `{"label":"y"}`, code: 404, bad: `/me/passkeys/x {"label":""}`, where: "body.label", weak: "nobody", weakCode: 401},
		"remove-passkey":         {as: "user@a.test", path: "/me/passkeys/x", code: 404, bad: "/me/passkeys/" + strings.Repeat("x", 201), where: "path.id", weak: "nobody", weakCode: 401},
		"totp-begin":             {as: "user@a.test", weak: "nobody", weakCode: 401},
		"totp-confirm":           {as: "user@a.test", body: `{"code":"123456"}`, code: 401, bad: `/me/totp:confirm {}`, where: "body.code", weak: "nobody", weakCode: 401},
		"totp-remove":            {as: "user@a.test", code: 404, weak: "nobody", weakCode: 401},
		"new-recovery-codes":     {as: "user@a.test", code: 422, weak: "nobody", weakCode: 401},
		"list-my-sessions":       {as: "user@a.test", weak: "nobody", weakCode: 401},
		"end-my-session":         {as: "helper@a.test", path: "/me/sessions/" + ownSession, code: 204, bad: "/me/sessions/" + strings.Repeat("x", 201), where: "path.id", weak: "nobody", weakCode: 401},
		"end-my-other-sessions":  {as: "user@a.test", code: 204, weak: "nobody", weakCode: 401},
		"list-my-app-passwords":  {as: "user@a.test", weak: "nobody", weakCode: 401},
		"add-my-app-password":    {as: "user@a.test", body: `{"label":"laptop","protocols":["imap"]}`, code: 201, bad: `/me/app-passwords {"label":"x","expires":"2001-01-01T00:00:00Z"}`, where: "body.expires", weak: "nobody", weakCode: 401},
		"remove-my-app-password": {as: "user@a.test", path: "/me/app-passwords/" + appPassword, code: 204, bad: "/me/app-passwords/" + strings.Repeat("x", 201), where: "path.id", weak: "nobody", weakCode: 401},
		"list-my-devices":        {as: "user@a.test", weak: "nobody", weakCode: 401},
		"list-my-logins":         {as: "user@a.test", bad: "/me/logins?limit=0", where: "query.limit", weak: "nobody", weakCode: 401},
		"list-my-refusals":       {as: "user@a.test", bad: "/me/refusals?cursor=!", where: "query.cursor", weak: "nobody", weakCode: 401},
		"start-my-export":        {as: "user@a.test", code: 202, weak: "nobody", weakCode: 401},
		"get-my-export":          {as: "user@a.test", path: "/me/export/" + exported, bad: "/me/export/" + strings.Repeat("x", 201), where: "path.job", weak: "owner", weakCode: 404},
		"get-my-client-setup":    {as: "user@a.test", weak: "nobody", weakCode: 401},

		"list-backups":         {weak: "domain-admin"},
		"run-backup":           {code: 202, weak: "domain-admin"},
		"forget-backup-host":   {code: 204, weak: "domain-admin"},
		"show-backup-key":      {weak: "domain-admin"},
		"verify-backup":        {path: "/backups/latest:verify", body: `{}`, code: 202, bad: `/backups/latest:verify {"key":"no key"}`, where: "body.key", weak: "domain-admin"},
		"list-backup-accounts": {path: "/backups/20200101T000000Z-abcdefgh/accounts", code: 404, bad: "/backups/" + strings.Repeat("x", 61) + "/accounts", where: "path.id", weak: "domain-admin"},
		"list-backup-messages": {path: "/backups/20200101T000000Z-abcdefgh:messages", body: `{"account":"user@a.test"}`, code: 404, bad: `/backups/x:messages {"account":"user@a.test","since":"x"}`, where: "body.since", weak: "domain-admin"},
		"start-restore":        {body: `{"backup":"20200101T000000Z-abcdefgh","account":"user@a.test","dryRun":true}`, code: 202, bad: `/restores {"account":"user@a.test","uids":[1]}`, where: "body.mailbox", weak: "domain-admin"},
		"remove-backup":        {path: "/backups/20200101T000000Z-abcdefgh", code: 404, bad: "/backups/" + strings.Repeat("x", 61), where: "path.id", weak: "domain-admin"},

		"get-overview":          {weak: "user"},
		"get-deliverability":    {weak: "domain-admin"},
		"get-metrics-series":    {path: "/metrics-series?name=mail.in", bad: "/metrics-series", where: "query.name", weak: "domain-admin"},
		"list-checks":           {weak: "user"},
		"run-checks":            {body: `{"ids":["ptr.v4"]}`, bad: `/checks:run {"ids":1}`, where: "body.ids", weak: "user"},
		"mute-check":            {path: "/checks/ptr.v4:mute", body: fmt.Sprintf(`{"until":%q}`, w.now().AddDate(0, 0, 7).UTC().Format(time.RFC3339)), bad: `/checks/ptr.v4:mute {"until":"x"}`, where: "body.until", weak: "support"},
		"unmute-check":          {path: "/checks/ptr.v4:unmute", weak: "support"},
		"list-alerts":           {weak: "user"},
		"mute-alert":            {path: "/alerts/check.clock:mute", body: fmt.Sprintf(`{"until":%q}`, w.now().AddDate(0, 0, 7).UTC().Format(time.RFC3339)), code: 404, bad: `/alerts/check.clock:mute {"until":"2001-01-01T00:00:00Z"}`, where: "body.until", weak: "support"},
		"unmute-alert":          {path: "/alerts/check.clock:unmute", code: 404, bad: "/alerts/" + strings.Repeat("x", 301) + ":unmute", where: "path.id", weak: "support"},
		"list-alert-channels":   {weak: "support"},
		"add-alert-channel":     {body: `{"kind":"mail","to":"ana@far.example"}`, code: 201, bad: `/alert-channels {"kind":"mail","to":"user@a.test"}`, where: "body.to", weak: "support"},
		"change-alert-channel":  {path: "/alert-channels/" + channel, body: `{"least":"fail"}`, bad: "/alert-channels/" + channel + ` {"token":"a b"}`, where: "body.token", weak: "support"},
		"test-alert-channel":    {path: "/alert-channels/" + channel + ":test", bad: "/alert-channels/" + strings.Repeat("x", 41) + ":test", where: "path.id", weak: "support"},
		"remove-alert-channel":  {path: "/alert-channels/" + channel, code: 204, bad: "/alert-channels/" + strings.Repeat("x", 41), where: "path.id", weak: "support"},
		"list-traces":           {path: "/traces?q=@far.example", bad: "/traces?direction=up", where: "query.direction", weak: "user"},
		"list-refusals":         {bad: "/refusals?cursor=!", where: "query.cursor", weak: "user"},
		"get-trace":             {path: "/traces/" + traced, bad: "/traces/" + strings.Repeat("x", 201), where: "path.id", weak: "user"},
		"get-junk-policy":       {path: "/junk/policy?domain=a.test", bad: "/junk/policy?domain=!", where: "query.domain", weak: "user"},
		"set-junk-policy":       {body: `{"mode":"tag","junk":5,"quarantine":10,"refuse":0}`, bad: `/junk/policy {"mode":"file","junk":5,"quarantine":4,"refuse":0}`, where: "body.quarantine", weak: "domain-admin"},
		"reset-junk-policy":     {path: "/junk/policy?domain=a.test", bad: "/junk/policy?domain=!", where: "query.domain", weak: "support"},
		"try-junk-policy":       {body: `{"policy":{"mode":"file","junk":3,"quarantine":0,"refuse":0},"lists":[{"kind":"allow","entry":"far.example"}]}`, bad: `/junk:what-if {"lists":[{"kind":"maybe","entry":"x.example"}]}`, where: "body.lists[0].kind", weak: "user"},
		"get-my-junk-policy":    {as: "user@a.test", weak: "nobody", weakCode: 401},
		"set-my-junk-policy":    {as: "user@a.test", body: `{"mode":"off","junk":5,"quarantine":0,"refuse":0}`, bad: `/me/junk/policy {"mode":"sort","junk":5,"quarantine":0,"refuse":0}`, where: "body.mode", weak: "nobody", weakCode: 401},
		"reset-my-junk-policy":  {as: "user@a.test", weak: "nobody", weakCode: 401},
		"try-my-junk-policy":    {as: "user@a.test", body: `{"lists":[{"kind":"block","entry":"far.example"}]}`, bad: `/me/junk:what-if {"policy":1}`, where: "body.policy", weak: "nobody", weakCode: 401},
		"get-list":              {bad: "/lists?domain=!", where: "query.domain", weak: "user"},
		"list-own-rules":        {weak: "user"},
		"put-list-entry":        {body: `{"kind":"block","entry":"spam.example"}`, bad: `/lists {"kind":"allow","entry":"a b"}`, where: "body.entry", weak: "support"},
		"remove-list-entry":     {path: "/lists?entry=spam.example", code: 204, bad: "/lists", where: "query.entry", weak: "support"},
		"allow-sender":          {path: "/lists:allow-sender?domain=a.test", body: fmt.Sprintf(`{"trace":%q}`, traced), bad: `/lists:allow-sender {"trace":""}`, where: "body.trace", weak: "support"},
		"get-my-list":           {as: "user@a.test", weak: "nobody", weakCode: 401},
		"put-my-list-entry":     {as: "user@a.test", body: `{"kind":"block","entry":"spam.example"}`, bad: `/me/lists {"kind":"maybe","entry":"a.example"}`, where: "body.kind", weak: "nobody", weakCode: 401},
		"remove-my-list-entry":  {as: "user@a.test", path: "/me/lists?entry=spam.example", code: 204, bad: "/me/lists", where: "query.entry", weak: "nobody", weakCode: 401},
		"allow-my-sender":       {as: "user@a.test", body: fmt.Sprintf(`{"trace":%q}`, w.trace("eve@far.example", "user@a.test")), bad: `/me/lists:allow-sender {"trace":""}`, where: "body.trace", weak: "nobody", weakCode: 401},
		"list-quarantine":       {bad: "/quarantine?domain=!", where: "query.domain", weak: "user"},
		"get-quarantined":       {path: "/quarantine/" + w.quarantine("user@a.test"), bad: "/quarantine/" + strings.Repeat("x", 201), where: "path.id", weak: "user"},
		"release-quarantine":    {body: ids(w.quarantine("user@a.test")), bad: `/quarantine:release {"ids":[]}`, where: "body.ids", weak: "support"},
		"delete-quarantine":     {body: ids(w.quarantine("user@a.test")), bad: `/quarantine:delete {"ids":[]}`, where: "body.ids", weak: "support"},
		"list-my-quarantine":    {as: "user@a.test", bad: "/me/quarantine?cursor=!", where: "query.cursor", weak: "nobody", weakCode: 401},
		"get-my-quarantined":    {as: "user@a.test", path: "/me/quarantine/" + w.quarantine("user@a.test"), bad: "/me/quarantine/" + strings.Repeat("x", 201), where: "path.id", weak: "nobody", weakCode: 401},
		"release-my-quarantine": {as: "user@a.test", body: ids(w.quarantine("user@a.test")), bad: `/me/quarantine:release {"ids":[]}`, where: "body.ids", weak: "nobody", weakCode: 401},
		"delete-my-quarantine":  {as: "user@a.test", body: ids(w.quarantine("user@a.test")), bad: `/me/quarantine:delete {"ids":[]}`, where: "body.ids", weak: "nobody", weakCode: 401},
		"get-dmarc-reports":     {path: "/reports/dmarc?domain=a.test", bad: "/reports/dmarc", where: "query.domain", weak: "user"},
		"get-dmarc-report":      {path: "/reports/dmarc/0123456789abcdef", code: 404, bad: "/reports/dmarc/" + strings.Repeat("x", 201), where: "path.id", weak: "user"},
		"get-tls-reports":       {path: "/reports/tls?domain=a.test", bad: "/reports/tls?domain=a.test&from=x", where: "query.from", weak: "user"},
		"list-sent-reports":     {weak: "domain-admin"},
		"list-queue":            {path: "/queue?address=@far.example", bad: "/queue?state=lost", where: "query.state", weak: "user"},
		"get-junk-stats":        {weak: "user"},
		"train-junk":            {body: `{"account":"user@a.test","class":"junk","messages":["RnJvbTogYUBiLmMNCg0KaGk="]}`, bad: `/junk:train {"account":"user@a.test","class":"kept","messages":["eA=="]}`, where: "body.class", weak: "support"},
		"forget-junk":           {body: `{"account":"user@a.test"}`, bad: `/junk:forget {"account":7}`, where: "body.account", weak: "support"},
		"get-queue-groups":      {weak: "user"},
		"get-queue-message":     {path: "/queue/" + queued, bad: "/queue/" + strings.Repeat("x", 201), where: "path.id", weak: "user"},
		"hold-queue":            {body: fmt.Sprintf(`{"ids":[%q]}`, queued), bad: `/queue:hold {}`, where: "body.ids", weak: "support"},
		"release-queue":         {body: `{"filter":{"address":"@far.example"}}`, bad: `/queue:release {"filter":{"state":"lost"}}`, where: "body.filter.state", weak: "support"},
		"retry-queue":           {body: `{"filter":{}}`, bad: `/queue:retry {}`, where: "body.ids", weak: "support"},
		"reroute-queue":         {body: `{"filter":{},"to":"relay.example:587"}`, bad: `/queue:reroute {"filter":{},"to":"no port"}`, where: "body.to", weak: "support"},
		"cancel-queue":          {body: `{"filter":{"address":"nobody@far.example"}}`, bad: `/queue:cancel {"ids":1}`, where: "body.ids", weak: "support"},
		"get-events":            {path: "/events?topics=nothing", code: 422, bad: "/events?topics=nothing", where: "query.topics", weak: "user"},
		"list-imports":          {weak: "domain-admin"},
		"start-import":          {body: `{"kind":"maildir","account":"user@a.test","path":"old"}`, code: 202, bad: `/imports {"kind":"mbox","account":"user@a.test","path":"/etc/passwd"}`, where: "body.path", weak: "domain-admin"},
		"start-imports":         {body: `{"text":"user@a.test,imap.far.example,user,secret\nx@a.test,imap.far.example,x,y","dryRun":true}`, bad: `/imports:bulk {"text":"\n"}`, where: "body.text", weak: "domain-admin"},
		"resume-imports":        {body: `{"server":"imap.far.example:993"}`, code: 202, bad: `/imports:resume {"state":"x"}`, where: "body.state", weak: "domain-admin"},
		"cancel-imports":        {body: `{"server":"imap.far.example:993"}`, bad: `/imports:cancel {"kind":"x"}`, where: "body.kind", weak: "domain-admin"},
		"remove-imports":        {body: `{"server":"imap.far.example:993"}`, bad: `/imports:remove {"state":"x"}`, where: "body.state", weak: "domain-admin"},
		"import-setup":          {body: `{"text":"[[lists]]\nkind = 'block'\nentry = 'spam.example'\n","dryRun":true}`, bad: `/imports:setup {"text":"x"}`, where: "body.text", weak: "domain-admin"},
		"import-people":         {body: `{"text":"list@a.test,List,,old@a.test","dryRun":true}`, bad: `/imports:people {"format":"mox","text":"x"}`, where: "body.text", weak: "support"},
		"get-import":            {path: "/imports/" + w.importOf("one"), bad: "/imports/" + strings.Repeat("x", 201), where: "path.id", weak: "domain-admin"},
		"cancel-import":         {path: "/imports/" + w.importOf("two") + ":cancel", bad: "/imports/" + strings.Repeat("x", 201) + ":cancel", where: "path.id", weak: "domain-admin"},
		"resume-import":         {path: "/imports/" + w.importOf("three") + ":resume", code: 202, bad: "/imports/" + strings.Repeat("x", 201) + ":resume", where: "path.id", weak: "domain-admin"},
		"remove-import":         {path: "/imports/" + w.importOf("four"), code: 204, bad: "/imports/" + strings.Repeat("x", 201), where: "path.id", weak: "domain-admin"},
		"cancel-job":            {path: "/jobs/x:cancel", code: 404, bad: "/jobs/" + strings.Repeat("x", 201) + ":cancel", where: "path.id", weak: "nobody", weakCode: 401},
		"get-job":               {path: "/jobs/x", code: 404, bad: "/jobs/" + strings.Repeat("x", 201), where: "path.id", weak: "nobody", weakCode: 401},

		"list-webhooks":           {weak: "support"},
		"add-webhook":             {body: `{"url":"https://far.example/new","events":["message.bounced"]}`, code: 201, bad: `/webhooks {"url":"far.example","events":["message.bounced"]}`, where: "body.url", weak: "support"},
		"get-webhook":             {path: "/webhooks/" + webhook, bad: "/webhooks/" + strings.Repeat("x", 41), where: "path.id", weak: "support"},
		"change-webhook":          {path: "/webhooks/" + webhook, body: `{"label":"new"}`, bad: "/webhooks/" + webhook + ` {"events":["message.lost"]}`, where: "body.events", weak: "support"},
		"test-webhook":            {path: "/webhooks/" + webhook + ":test", bad: "/webhooks/" + strings.Repeat("x", 41) + ":test", where: "path.id", weak: "support"},
		"replay-webhook":          {path: "/webhooks/" + webhook + ":replay", bad: "/webhooks/" + strings.Repeat("x", 41) + ":replay", where: "path.id", weak: "support"},
		"list-webhook-deliveries": {path: "/webhooks/" + webhook + "/deliveries", bad: "/webhooks/" + webhook + "/deliveries?cursor=!", where: "query.cursor", weak: "support"},
		"replay-webhook-delivery": {path: "/webhooks/" + webhook + "/deliveries/msg_x:replay", code: 404, bad: "/webhooks/" + webhook + "/deliveries/" + strings.Repeat("x", 61) + ":replay", where: "path.delivery", weak: "support"},
		"remove-webhook":          {path: "/webhooks/" + webhook, code: 204, bad: "/webhooks/" + strings.Repeat("x", 41), where: "path.id", weak: "support"},

		"list-domains":        {bad: "/domains?cursor=!", where: "query.cursor", weak: "user"},
		"add-domain":          {body: `{"name":"c.test"}`, code: 201, bad: `/domains {"name":"a b"}`, where: "body.name", weak: "domain-admin"},
		"get-domain":          {path: "/domains/a.test", weak: "user"},
		"change-domain":       {path: "/domains/a.test", body: `{"separator":"-"}`, bad: `/domains/a.test {"catchAll":"x"}`, where: "body.catchAll", weak: "domain-admin"},
		"remove-domain":       {path: "/domains/c.test", code: 204, bad: "/domains/b.test?force=true", where: "query.confirm", weak: "domain-admin"},
		"get-domain-dns":      {path: "/domains/a.test/dns", weak: "user"},
		"plan-domain-dns":     {path: "/domains/a.test/dns:plan", weak: "user"},
		"apply-domain-dns":    {path: "/domains/a.test/dns:apply", body: `{"dryRun":true}`, bad: `/domains/a.test/dns:apply {"dryRun":1}`, where: "body.dryRun", weak: "domain-admin"},
		"list-dns-providers":  {weak: "domain-admin"},
		"put-dns-provider":    {path: "/dns-providers/primary", body: `{"kind":"rfc2136","zones":["c.test"],"server":"127.0.0.1:1","login":"k","secret":"c2VjcmV0","unchecked":true}`, bad: `/dns-providers/primary {"kind":"bind","zones":["c.test"]}`, where: "body.kind", weak: "domain-admin"},
		"test-dns-provider":   {path: "/dns-providers/primary:test", bad: "/dns-providers/" + strings.Repeat("x", 101) + ":test", where: "path.name", weak: "domain-admin"},
		"remove-dns-provider": {path: "/dns-providers/primary", code: 204, bad: "/dns-providers/" + strings.Repeat("x", 101), where: "path.name", weak: "domain-admin"},
		"check-domain-dns":    {path: "/domains/a.test/dns:check", weak: "user"},
		"list-dkim-keys":      {path: "/domains/a.test/dkim", weak: "user"},
		"add-dkim-key":        {path: "/domains/a.test/dkim", body: `{"selector":"s2","algorithm":"ed25519"}`, code: 201, bad: `/domains/a.test/dkim {"selector":"s3","algorithm":"dsa"}`, where: "body.algorithm", weak: "domain-admin"},
		"activate-dkim-key":   {path: "/domains/a.test/dkim/s2:activate?force=true", bad: "/domains/a.test/dkim/s2:activate?force=perhaps", where: "query.force", weak: "domain-admin"},
		"retire-dkim-key":     {path: "/domains/a.test/dkim/s1:retire", bad: "/domains/a.test/dkim/" + strings.Repeat("x", 64) + ":retire", where: "path.selector", weak: "domain-admin"},
		"remove-dkim-key":     {path: "/domains/a.test/dkim/s1", code: 204, bad: "/domains/a.test/dkim/" + strings.Repeat("x", 64) + "", where: "path.selector", weak: "domain-admin"},
		"get-domain-zone":     {path: "/domains/a.test/zone", weak: "user"},

		"list-accounts":               {bad: "/accounts?role=king", where: "query.role", weak: "user"},
		"add-account":                 {body: `{"address":"new@a.test"}`, code: 201, bad: `/accounts {"address":"new"}`, where: "body.address", weak: "support"},
		"add-accounts":                {body: `{"text":"one@a.test,One\ntwo@a.test,Two,5 GiB\nnonsense"}`, bad: `/accounts:bulk {"text":"\n"}`, where: "body.text", weak: "support"},
		"export-account":              {path: "/accounts/user@a.test/mail", weak: "domain-admin"},
		"get-account":                 {path: "/accounts/user@a.test", weak: "user"},
		"change-account":              {path: "/accounts/new@a.test", body: `{"quotaBytes":1000}`, bad: `/accounts/user@a.test {"quotaBytes":-1}`, where: "body.quotaBytes", weak: "support"},
		"remove-account":              {path: "/accounts/new@a.test", code: 204, bad: "/accounts/new@a.test?dryRun=maybe", where: "query.dryRun", weak: "support"},
		"set-account-password":        {path: "/accounts/bob@b.test:password", body: `{"password":"a new password"}`, code: 204, bad: `/accounts/bob@b.test:password {"password":"x"}`, where: "body.password", weak: "support"},
		"suspend-account":             {path: "/accounts/bob@b.test:suspend", weak: "support"},
		"resume-account":              {path: "/accounts/bob@b.test:resume", weak: "support"},
		"invite-account":              {path: "/accounts/bob@b.test:invite", weak: "support"},
		"remove-account-factors":      {path: "/accounts/bob@b.test:remove-factors", code: 204, weak: "support"},
		"list-account-app-passwords":  {path: "/accounts/user@a.test/app-passwords", weak: "user"},
		"remove-account-app-password": {path: "/accounts/user@a.test/app-passwords/" + otherAppPassword, code: 204, bad: "/accounts/user@a.test/app-passwords/" + strings.Repeat("x", 201), where: "path.id", weak: "support"},
		"list-account-sessions":       {path: "/accounts/user@a.test/sessions", weak: "user"},
		"end-account-session":         {path: "/accounts/user@a.test/sessions/" + session, code: 204, bad: "/accounts/user@a.test/sessions/" + strings.Repeat("x", 201), where: "path.id", weak: "support"},
		"list-account-devices":        {path: "/accounts/user@a.test/devices", weak: "user"},
		"list-account-logins":         {path: "/accounts/user@a.test/logins", bad: "/accounts/user@a.test/logins?limit=x", where: "query.limit", weak: "user"},
		"list-aliases":                {bad: "/aliases?limit=x", where: "query.limit", weak: "user"},
		"add-alias":                   {body: `{"address":"info@a.test","targets":["user@a.test","x@far.example"]}`, bad: `/aliases {"address":"info@a.test","targets":["x"]}`, where: "body.targets", weak: "support"},
		"get-alias":                   {path: "/aliases/info@a.test", weak: "user"},
		"set-alias":                   {path: "/aliases/info@a.test", body: `{"targets":["user@a.test"]}`, bad: `/aliases/info@a.test {"targets":["x"]}`, where: "body.targets", weak: "support"},
		"remove-alias":                {path: "/aliases/info@a.test", code: 204, bad: "/aliases/info@a.test?target=x", where: "query.target", weak: "support"},
		"resolve-address":             {path: "/resolve?address=user@a.test", bad: "/resolve?address=x", where: "query.address", weak: "user"},

		"list-api-keys":       {weak: "domain-admin"},
		"add-api-key":         {body: `{"label":"y","role":"support","cidrs":["192.0.2.1"]}`, code: 201, bad: `/api-keys {"label":"y","role":"support","cidrs":["x"]}`, where: "body.cidrs", weak: "domain-admin"},
		"remove-api-key":      {path: "/api-keys/" + key, code: 204, bad: "/api-keys/" + strings.Repeat("x", 201), where: "path.id", weak: "domain-admin"},
		"list-sign-ins":       {bad: "/sign-ins?ok=perhaps", where: "query.ok", weak: "user"},
		"list-bans":           {weak: "user"},
		"lift-ban":            {body: banned, code: 204, bad: `/bans:lift {"net":"x"}`, where: "body.net", weak: "domain-admin"},
		"list-roles":          {weak: "domain-admin"},
		"list-audit":          {bad: "/audit?from=yesterday", where: "query.from", weak: "support"},
		"undo-change":         {path: "/audit/" + undo + ":undo", bad: "/audit/" + undo + ":undo?dryRun=perhaps", where: "query.dryRun", weak: "domain-admin"},
		"list-settings":       {weak: "domain-admin"},
		"get-setting":         {path: "/settings/queue.expire", weak: "domain-admin"},
		"set-setting":         {path: "/settings/queue.expire", body: `{"value":"4d"}`, bad: `/settings/queue.expire {"value":"soon"}`, where: "body.value", weak: "domain-admin"},
		"reset-setting":       {path: "/settings/queue.expire", bad: "/settings/queue.expire?dryRun=x", where: "query.dryRun", weak: "domain-admin"},
		"export-settings":     {weak: "domain-admin"},
		"import-settings":     {body: "[queue]\nexpire = \"5d\"\n", header: map[string]string{"Content-Type": tomlType}, bad: "/settings.toml x", where: "body", weak: "domain-admin"},
		"list-certificates":   {weak: "domain-admin"},
		"renew-certificates":  {code: 202, bad: `/certificates:renew?force=perhaps`, where: "query.force", weak: "domain-admin"},
		"renew-certificate":   {path: "/certificates/mail.example.org:renew?force=true", code: 202, bad: `/certificates/mail.example.org:renew?newKey=perhaps`, where: "query.newKey", weak: "domain-admin"},
		"get-storage":         {weak: "domain-admin"},
		"reclaim-storage":     {body: `{"olderThanSeconds":60}`, code: 202, bad: `/storage:reclaim {"olderThanSeconds":1}`, where: "body.olderThanSeconds", weak: "domain-admin"},
		"get-system":          {weak: "domain-admin"},
		"reload-system":       {weak: "domain-admin"},
		"get-clock":           {weak: "domain-admin"},
		"accept-clock":        {code: 409, weak: "domain-admin"},
		"get-updates":         {weak: "domain-admin"},
		"make-support-bundle": {weak: "domain-admin"},
		"list-logs":           {path: "/logs?level=info&q=world", bad: "/logs?level=loud", where: "query.level", weak: "domain-admin"},
	}
	return rows
}

// people by their role, for what is refused.
var weak = map[string]string{"user": "user@a.test", "support": "helper@a.test", "domain-admin": "chief@a.test", "admin": "admin@a.test", "owner": "owner@a.test", "nobody": ""}

// TestOperations goes through every operation of the document.
func TestOperations(t *testing.T) {
	w := newWorld(t)
	w.server.opts.NoLimits = true
	rows := operations(w)
	w.obeys()
	seen := map[string]bool{}
	all := w.operations()
	// What needs something that another makes or keeps comes in an order.
	order := slices.Sorted(maps.Keys(all))
	last := []string{"put-dns-provider", "test-dns-provider", "remove-dns-provider", "remove-alert-channel", "remove-webhook", "add-dkim-key", "activate-dkim-key", "retire-dkim-key", "remove-dkim-key", "remove-alias", "change-account", "remove-account", "remove-domain", "end-my-session", "end-account-session", "end-my-other-sessions", "set-my-password", "sign-out", "suspend-account", "resume-account"}
	order = append(slices.DeleteFunc(order, func(id string) bool { return slices.Contains(last, id) }), last...)
	for _, phase := range []func(*testing.T, *world, operationIn, row){testWeak, testBad, testSuccess} {
		for _, id := range order {
			r, ok := rows[id]
			if !ok {
				if !seen[id] {
					t.Errorf("%s has no row in this table", id)
				}
				seen[id] = true
				continue
			}
			w.path = all[id].path
			phase(t, w, all[id], r)
		}
	}
	for id := range rows {
		if _, ok := all[id]; !ok {
			t.Errorf("there is no operation %s", id)
		}
	}
}

// operationIn is an operation of the document.
type operationIn struct {
	id, method, path string
	input            bool // there is something that could be wrong
}

// operations reads the document.
func (w *world) operations() map[string]operationIn {
	w.t.Helper()
	b, err := w.server.OpenAPI()
	if err != nil {
		w.t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			RequestBody any
			Parameters  []struct {
				In     string
				Schema map[string]any
			}
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		w.t.Fatal(err)
	}
	all := map[string]operationIn{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			o := operationIn{id: op.OperationID, method: strings.ToUpper(method), path: path, input: op.RequestBody != nil}
			for _, p := range op.Parameters {
				o.input = o.input || p.In == "query" || p.Schema["maxLength"] != nil && p.In == "path"
			}
			all[o.id] = o
		}
	}
	return all
}

// testSuccess makes the request that succeeds, or goes as far as it can here.
func testSuccess(t *testing.T, w *world, o operationIn, r row) {
	a := attempt{as: r.as, method: o.method, path: o.path, body: r.body, header: r.header}
	switch r.as {
	case "":
		a.as = "owner@a.test"
	case "-":
		a.as = ""
	}
	if r.path != "" {
		a.path = r.path
	}
	want := r.code
	if want == 0 {
		want = http.StatusOK
	}
	if o.id == "sign-out" {
		want = http.StatusNoContent
	}
	if got := w.do(a); got.code != want {
		t.Errorf("%s: %s %s: %d, want %d: %.300s", o.id, a.method, a.path, got.code, want, got.body)
	}
}

// testBad makes a request that is not valid.
func testBad(t *testing.T, w *world, o operationIn, r row) {
	if r.bad == "" {
		if o.input {
			t.Errorf("%s has input, and no row for input that is bad", o.id)
		}
		return
	}
	a := attempt{as: r.as, method: o.method, header: r.header}
	switch r.as {
	case "":
		a.as = "owner@a.test"
	case "-":
		a.as = ""
	}
	a.path, a.body, _ = strings.Cut(r.bad, " ")
	got := w.do(a)
	want := r.badCode
	if want == 0 {
		want = http.StatusUnprocessableEntity
	}
	if got.code != want {
		t.Errorf("%s, bad: %s %s: %d, want %d: %.300s", o.id, a.method, a.path, got.code, want, got.body)
		return
	}
	p := got.problem(t)
	if !slices.ContainsFunc(p.Errors, func(e FieldError) bool { return e.Location == r.where && e.Message != "" }) {
		t.Errorf("%s, bad: does not blame %s: %+v", o.id, r.where, p)
	}
}

// testWeak makes the good request as somebody who may not.
func testWeak(t *testing.T, w *world, o operationIn, r row) {
	if r.weak == "-" {
		return
	}
	who, ok := weak[r.weak]
	if !ok {
		t.Errorf("%s: nobody says who is refused", o.id)
		return
	}
	want := r.weakCode
	if want == 0 {
		want = http.StatusForbidden
	}
	a := attempt{as: who, method: o.method, path: o.path, body: r.body, header: r.header}
	if r.path != "" {
		a.path = r.path
	}
	if o.id == "get-events" {
		a.path = "/events?topics=traces"
	}
	if got := w.do(a); got.code != want || got.problem(t).Code == "" {
		t.Errorf("%s as %s: %d, want %d: %.300s", o.id, r.weak, got.code, want, got.body)
	}
	if got := w.do(attempt{method: o.method, path: a.path, body: r.body, header: r.header}); got.code != http.StatusUnauthorized {
		t.Errorf("%s as nobody: %d: %.300s", o.id, got.code, got.body)
	}
}

// enqueue puts a message into the queue and returns its ID.
func (w *world) enqueue(from string, to ...string) string {
	w.t.Helper()
	body := "Subject: x\r\n\r\ny\r\n"
	id := trace.NewID(w.now(), random{})
	env := mail.Envelope{ReversePath: mailPath(w.t, from)}
	for _, to := range to {
		env.Recipients = append(env.Recipients, mail.Recipient{Path: mailPath(w.t, to)})
	}
	if err := w.queue.Enqueue(w.t.Context(), id, env, nil, strings.NewReader(body), int64(len(body))); err != nil {
		w.t.Fatal(err)
	}
	return string(id)
}

// ban has somebody guess passwords until they have to wait for long, and returns
// what lifts that.
func (w *world) ban() string {
	w.t.Helper()
	from := netip.MustParseAddr("203.0.113.99")
	for i := range 100 {
		if _, err := w.dir.Authenticator(from, "imap").Password(w.t.Context(), "ghost@a.test", fmt.Sprint("guess number ", i)); err == nil {
			w.t.Fatal("a guess was right")
		}
		list, err := w.admin.Bans(admin.AsOwner(w.t.Context(), "test"))
		if err != nil {
			w.t.Fatal(err)
		}
		if len(list.Items) > 0 && list.Items[0].Until.Sub(w.now()) > 5*time.Minute {
			return fmt.Sprintf(`{"net":%q,"login":%q}`, list.Items[0].Net, list.Items[0].Login)
		}
		w.late.Add(int64(time.Minute))
	}
	w.t.Fatal("whoever guesses does not wait")
	return ""
}

// trace makes the story of a message and returns its ID.
func (w *world) trace(from, to string) string {
	w.t.Helper()
	id := trace.NewID(w.now(), random{})
	w.traces.Append(trace.Summary{ID: id, ReversePath: mailPath(w.t, from), Recipients: []mail.Path{mailPath(w.t, to)}, Outcome: "delivered", Direction: "out"},
		trace.Event{Time: w.now(), Kind: trace.Done, Text: "done"})
	return string(id)
}

func mailPath(t *testing.T, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sessionID begins a session and returns its ID.
func (w *world) sessionID(address string) string {
	w.t.Helper()
	w.signIn(address)
	list, err := w.dir.Sessions(w.t.Context(), w.account(address).ID)
	if err != nil || len(list) == 0 {
		w.t.Fatalf("sessions of %s: %v, %v", address, list, err)
	}
	return list[0].ID
}

// lastChange returns the ID of the newest change.
func (w *world) lastChange() string {
	w.t.Helper()
	list, err := w.dir.Audit(w.t.Context(), 1)
	if err != nil || len(list) != 1 {
		w.t.Fatalf("audit: %v, %v", list, err)
	}
	return list[0].ID
}
