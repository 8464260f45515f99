package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

const tomlType = "application/toml"

// settingBody is a new value.
type settingBody struct {
	Value string `json:"value" maxLength:"10000"`
}

// SettingPath names a setting.
type SettingPath struct {
	Name string `path:"name" doc:"As in queue.expire."`
}

func (s *Server) settingRoutes() {
	handle(s, operation{id: "list-settings", method: "GET", path: "/settings", summary: "List all settings."},
		func(ctx context.Context, _ *none) (*body[admin.Page[directory.Setting]], error) {
			return answer(s.admin.Settings(ctx))
		})
	handle(s, operation{id: "get-setting", method: "GET", path: "/settings/{name}", summary: "Show a setting.", etag: true},
		func(ctx context.Context, in *SettingPath) (*body[directory.Setting], error) {
			return answer(s.admin.Setting(ctx, in.Name))
		})
	type set struct {
		SettingPath
		DryRun
		IfMatch
		Body settingBody
	}
	handle(s, operation{id: "set-setting", method: "PUT", path: "/settings/{name}", summary: "Change a setting.", etag: true},
		func(ctx context.Context, in *set) (*body[directory.Setting], error) {
			return changeIf(s, in.IfMatch,
				func() (directory.Setting, error) { return s.admin.Setting(ctx, in.Name) },
				func() (directory.Setting, error) { return s.admin.SetSetting(ctx, in.Name, in.Body.Value) })
		})
	type reset struct {
		SettingPath
		DryRun
	}
	handle(s, operation{id: "reset-setting", method: "DELETE", path: "/settings/{name}", summary: "Bring a setting back to its default."},
		func(ctx context.Context, in *reset) (*body[directory.Setting], error) {
			return answer(s.admin.ResetSetting(ctx, in.Name))
		})
	s.settingFile()
}

// settingFile is all settings as one file.
func (s *Server) settingFile() {
	type file struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
	handle(s, operation{id: "export-settings", method: "GET", path: "/settings.toml", answers: tomlType, summary: "Export all settings as one file, without secrets."},
		func(ctx context.Context, _ *none) (*file, error) {
			b, err := s.admin.ExportSettings(ctx)
			return &file{tomlType, b}, err
		})
	type upload struct {
		DryRun
		RawBody []byte `contentType:"application/toml"`
	}
	handle(s, operation{id: "import-settings", method: "PUT", path: "/settings.toml", summary: "Take the settings of a file."},
		func(ctx context.Context, in *upload) (*body[admin.Page[directory.SettingChange]], error) {
			return answer(s.admin.ImportSettings(ctx, in.RawBody))
		})
}
