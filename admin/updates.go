package admin

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/upgrade"
	"github.com/mailstead/mailstead/mail/schema"
)

// Build is where a program comes from.
type Build struct {
	Version  string    `json:"version"`
	Go       string    `json:"go" doc:"Version of Go that it was built with."`
	Revision string    `json:"revision,omitempty" doc:"Commit that it was built from, its first digits; absent if it does not know."`
	Made     time.Time `json:"made,omitzero" doc:"Time of that commit."`
	Changed  bool      `json:"changed,omitempty" doc:"There were changes beside that commit."`
}

// Updates says which version runs, what the last upgrade did, and how the next
// one is made here. Nobody is asked whether there is a newer version.
type Updates struct {
	Build
	Schema     int            `json:"schema" doc:"That the program works with."`
	DataSchema int            `json:"dataSchema" doc:"Of the data; another number than schema is brought over before the server starts."`
	Program    string         `json:"program" doc:"File of the program."`
	Way        upgrade.Way    `json:"way" enum:"deb,rpm,image,binary" doc:"How the program was installed."`
	Installed  time.Time      `json:"installed,omitzero" doc:"When the file was put there."`
	Started    time.Time      `json:"started"`
	HowTo      []upgrade.Step `json:"howTo" doc:"How the next version is installed here, first step first."`
	Last       *upgrade.State `json:"last,omitempty" doc:"The last upgrade; absent if there was none."`
	Back       UpdateBack     `json:"back"`
}

// UpdateBack is the way back from the last upgrade.
type UpdateBack struct {
	Possible bool         `json:"possible"`
	Why      string       `json:"why" doc:"Why not, or what it does."`
	Step     upgrade.Step `json:"step,omitzero"`
	Until    time.Time    `json:"until,omitzero" doc:"Until when the data from before is kept."`
}

// shortRevision is how many digits of a commit are told: enough to find it, and
// too few to look like a key.
const shortRevision = 12

// ThisBuild is where the running program comes from.
func ThisBuild(version string) Build {
	b := Build{Version: version, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value[:min(shortRevision, len(s.Value))]
		case "vcs.time":
			b.Made, _ = time.Parse(time.RFC3339, s.Value)
		case "vcs.modified":
			b.Changed = s.Value == "true"
		}
	}
	return b
}

// Updates says which version runs, and how the next one is installed.
func (a *Admin) Updates(ctx context.Context) (Updates, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Updates{}, err
	}
	if !a.running() {
		return Updates{}, &directory.Problem{Kind: ErrUnavailable, Text: "no server is running; `mailstead version` and `mailstead upgrade status` tell without one"}
	}
	return a.updates()
}

func (a *Admin) updates() (Updates, error) {
	v := Updates{Build: ThisBuild(a.opts.Version), Schema: schema.Current, Started: a.started.UTC()}
	folder, err := schema.Read(a.opts.DataDir)
	if err != nil {
		return Updates{}, err
	}
	v.DataSchema = folder.Schema
	if v.Program, err = os.Executable(); err != nil {
		return Updates{}, err
	}
	v.Way = upgrade.WayOf(v.Program, os.Getenv, upgrade.Exists)
	v.HowTo = v.Way.HowTo()
	v.Installed, _ = upgrade.InstalledAt(v.Program) // gone, if it is being replaced
	if v.Last, err = upgrade.Load(a.opts.DataDir); err != nil {
		return Updates{}, err
	}
	v.Back = a.wayBack(v.Last)
	return v, nil
}

// wayBack says whether one can go back from an upgrade.
func (a *Admin) wayBack(last *upgrade.State) UpdateBack {
	switch {
	case last == nil:
		return UpdateBack{Why: "There was no upgrade yet that one could go back from."}
	case last.Phase == upgrade.Back || last.Phase == upgrade.Refused:
		return UpdateBack{Why: "The version from before is in use: there is nothing to go back from."}
	case !last.CanGoBack(a.opts.DataDir) && last.Installed == "":
		return UpdateBack{Why: "The program from before that upgrade was not kept. A backup from before it is the way back."}
	case !last.CanGoBack(a.opts.DataDir):
		return UpdateBack{Why: "The data from before that upgrade is not kept any more; the setting upgrade.keep says for how long it is. A backup from before it is the way back."}
	}
	b := UpdateBack{Possible: true, Step: upgrade.Step{Text: "Goes back to version " + last.From.Version + ".", Command: "sudo mailstead upgrade back"}}
	if !last.Data {
		b.Why = "The data has the same form in both versions, so nothing of it changes."
		return b
	}
	b.Why = "Mail that came in since is carried along. Settings, accounts and flags of older mail are as they were before the upgrade."
	if !last.Ended.IsZero() {
		b.Until = last.Ended.Add(a.opts.Directory.Duration(directory.UpgradeKeep))
	}
	return b
}
