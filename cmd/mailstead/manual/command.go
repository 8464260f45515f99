package manual

import (
	"strings"

	"github.com/alecthomas/kong"
)

// Command is one command, or a group of commands, of the command line.
type Command struct {
	Path  []string // "mailstead", "domain", "add"
	Help  string   // one sentence
	Flags []Flag   // its own; those of the groups above it count, too
	Args  []Arg
	Subs  []*Command
}

// Flag is one flag.
type Flag struct {
	Name    string   // without dashes
	Short   string   // one letter, or nothing
	Help    string   // one sentence
	Value   string   // what stands for its value; nothing: it takes none
	Default string   // nothing: none
	Choices []string // nothing: free
	File    bool     // the value is the name of a file or folder
	Needed  bool     // the command does not work without it
}

// Arg is what stands behind a command without a dash.
type Arg struct {
	Name   string
	Help   string
	Needed bool
	Many   bool // may be there several times
	File   bool
}

// Name is the path as it is typed.
func (c *Command) Name() string { return strings.Join(c.Path, " ") }

// Usage is the line that shows what belongs where.
func (c *Command) Usage() string {
	usage := c.Name()
	if len(c.Subs) > 0 {
		usage += " COMMAND"
	}
	for _, a := range c.Args {
		name := strings.ToUpper(a.Name)
		if a.Many {
			name += " …"
		}
		if !a.Needed {
			name = "[" + name + "]"
		}
		usage += " " + name
	}
	for _, f := range c.Flags {
		if f.Needed {
			usage += " --" + f.Name + " " + f.Value
		}
	}
	return usage + " [flags]"
}

// Walk calls fn with c and all commands below it, parents first. groups are
// those above a command, the outermost first.
func (c *Command) Walk(fn func(c *Command, groups []*Command)) { c.walk(nil, fn) }

func (c *Command) walk(groups []*Command, fn func(*Command, []*Command)) {
	fn(c, groups)
	groups = append(groups[:len(groups):len(groups)], c)
	for _, sub := range c.Subs {
		sub.walk(groups, fn)
	}
}

// FromModel reads the model of the parser. Hidden commands and flags are left
// out.
func FromModel(app *kong.Application) *Command {
	root := fromNode(app.Node, nil)
	root.Help = app.Help
	return root
}

func fromNode(n *kong.Node, above []string) *Command {
	c := &Command{Path: append(above[:len(above):len(above)], n.Name), Help: sentence(n.Help)}
	for _, f := range n.Flags {
		if !f.Hidden {
			c.Flags = append(c.Flags, fromFlag(f))
		}
	}
	for _, p := range n.Positional {
		c.Args = append(c.Args, Arg{Name: p.Name, Help: sentence(p.Help), Needed: p.Required, Many: p.IsCumulative(), File: isFile(p)})
	}
	for _, child := range n.Children {
		if !child.Hidden {
			c.Subs = append(c.Subs, fromNode(child, c.Path))
		}
	}
	return c
}

func fromFlag(f *kong.Flag) Flag {
	to := Flag{Name: f.Name, Help: sentence(f.Help), Default: f.Default, File: isFile(f.Value), Needed: f.Required}
	if f.Short != 0 {
		to.Short = string(f.Short)
	}
	if f.IsBool() || f.IsCounter() {
		return to
	}
	to.Value = strings.ToUpper(f.Name)
	if f.PlaceHolder != "" {
		to.Value = f.PlaceHolder
	}
	if f.Enum != "" {
		to.Choices = f.EnumSlice()
	}
	return to
}

// isFile tells whether a value is the name of a file.
func isFile(v *kong.Value) bool {
	switch v.Tag.Type {
	case "path", "existingfile", "existingdir", "filecontent":
		return true
	}
	return false
}

// sentence takes the blanks off a help text.
func sentence(s string) string { return strings.Join(strings.Fields(s), " ") }
