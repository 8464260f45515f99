package admin

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
)

// Settings returns all settings.
func (a *Admin) Settings(ctx context.Context) (Page[directory.Setting], error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Page[directory.Setting]{}, err
	}
	return whole(a.opts.Directory.Settings()), nil
}

// Setting returns one setting.
func (a *Admin) Setting(ctx context.Context, name string) (directory.Setting, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return directory.Setting{}, err
	}
	return a.opts.Directory.Setting(name)
}

// authorizeSetting is for changing a setting; those that are guarded are
// dangerous.
func (a *Admin) authorizeSetting(ctx context.Context, name string) error {
	allow := authorize
	if st, err := a.opts.Directory.Setting(name); err == nil && st.Guarded {
		allow = authorizeSudo
	}
	_, err := allow(ctx, ChangeSystem)
	return err
}

// SetSetting changes a setting.
func (a *Admin) SetSetting(ctx context.Context, name, value string) (directory.Setting, error) {
	if err := a.authorizeSetting(ctx, name); err != nil {
		return directory.Setting{}, err
	}
	st, err := a.opts.Directory.SetSetting(ctx, Actor(ctx), name, value)
	a.alerts.Look() // it may say what is too much
	return st, At("value", err)
}

// ResetSetting brings a setting back to its default.
func (a *Admin) ResetSetting(ctx context.Context, name string) (directory.Setting, error) {
	if err := a.authorizeSetting(ctx, name); err != nil {
		return directory.Setting{}, err
	}
	defer a.alerts.Look()
	return a.opts.Directory.ResetSetting(ctx, Actor(ctx), name)
}

// ExportSettings returns all settings as one TOML file.
func (a *Admin) ExportSettings(ctx context.Context) ([]byte, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return nil, err
	}
	return a.opts.Directory.ExportSettings(), nil
}

// ImportSettings takes the settings of a TOML file, where any may be.
func (a *Admin) ImportSettings(ctx context.Context, file []byte) (Page[directory.SettingChange], error) {
	if _, err := authorizeSudo(ctx, ChangeSystem); err != nil {
		return Page[directory.SettingChange]{}, err
	}
	changed, err := a.opts.Directory.ImportSettings(ctx, Actor(ctx), file)
	if err != nil {
		return Page[directory.SettingChange]{}, At("", err)
	}
	return whole(changed), nil
}
