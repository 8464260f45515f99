package manual

import (
	"fmt"
	"strings"

	"github.com/mailstead/mailstead/admin/directory"
)

// generated is the first line of what nobody is to edit.
const generated = "<!-- Made by `make references` from the program itself. Do not edit. -->\n\n"

// CLIReference returns docs/reference-cli.md.
func CLIReference(root *Command) string {
	var b strings.Builder
	b.WriteString(generated + "# Commands\n\n" +
		"The flags of a group belong to all its commands. The exit status is 0 when it is done, 1 when it failed, 2 when the command was wrong.\n" +
		"`-o json` prints the result for programs. The same as man pages: `man mailstead`.\n\n")
	for _, c := range root.Subs {
		fmt.Fprintf(&b, "- [%s](#%s): %s\n", c.Name(), strings.Join(c.Path, "-"), cell(c.Help))
	}
	root.Walk(func(c *Command, groups []*Command) {
		if c == root {
			return
		}
		fmt.Fprintf(&b, "\n%s %s\n\n%s\n\n    %s\n", strings.Repeat("#", len(groups)+1), c.Name(), cell(c.Help), c.Usage())
		writeTable(&b, c)
	})
	b.WriteString("\n## Flags of every command\n")
	writeTable(&b, root)
	return b.String()
}

// writeTable explains arguments, where their name does not say it all, and
// flags.
func writeTable(b *strings.Builder, c *Command) {
	var rows []string
	for _, a := range c.Args {
		if a.Help != "" {
			rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", strings.ToUpper(a.Name), cell(a.Help)))
		}
	}
	for _, f := range c.Flags {
		rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", f.spelling(), cell(f.explained())))
	}
	if len(rows) > 0 {
		b.WriteString("\n| | |\n|---|---|\n" + strings.Join(rows, ""))
	}
}

// SettingsReference returns docs/reference-settings.md.
func SettingsReference() string {
	var b strings.Builder
	b.WriteString(generated + "# Settings\n\nWhat must be known before the server starts is in the [configuration file](#the-configuration-file). " +
		"Everything else is a [setting](#settings-of-the-running-server).\n\n## The configuration file\n\n" +
		"`/etc/mailstead/mailstead.toml`; `mailstead config describe` prints one to edit, `mailstead config check` says what is wrong with yours.\n\n")
	b.WriteString(ConfigReference())
	b.WriteString("\n## Settings of the running server\n\nThey are changed by `mailstead settings set NAME VALUE`, in the console (System, Settings) or by the API, " +
		"and count at once. Sizes are written as in `50 MiB`, times as in `5d` or `4h30m`. A secret is never shown again.\n")
	names, groups := settingGroups()
	for _, name := range names {
		fmt.Fprintf(&b, "\n### %s\n\n| setting | kind | default | meaning |\n|---|---|---|---|\n", name)
		for _, d := range groups[name] {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, kindOf(d), code(d.Default), cell(d.Doc))
		}
	}
	return b.String()
}

// settingGroups returns the settings by the first word of their names, and the
// words in the order in which they come.
func settingGroups() (names []string, groups map[string][]directory.Definition) {
	groups = map[string][]directory.Definition{}
	for _, d := range directory.Definitions() {
		name, _, _ := strings.Cut(d.Name, ".")
		if groups[name] == nil {
			names = append(names, name)
		}
		groups[name] = append(groups[name], d)
	}
	return names, groups
}

func kindOf(d directory.Definition) string {
	switch {
	case d.Secret:
		return "secret"
	case d.Max != "":
		return d.Kind + ", " + d.Min + " to " + d.Max
	}
	return d.Kind
}

func code(s string) string {
	if s == "" {
		return "empty"
	}
	return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
}

// cell keeps a text within a cell of a table, and out of HTML.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "\n", " ", "*", `\*`).Replace(s)
}
