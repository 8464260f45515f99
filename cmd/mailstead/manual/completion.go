package manual

import (
	"fmt"
	"slices"
	"strings"
)

// Shells are those that there is completion for.
var Shells = []string{"bash", "zsh", "fish"}

// Completion returns the script of a shell of Shells that completes the
// commands and flags of the program.
//
// The three scripts work alike: they walk over what is typed already to find
// the command, leaving out flags and their values, and offer what may follow.
func Completion(shell string, root *Command) string {
	switch shell {
	case "bash":
		return bash(root)
	case "zsh":
		return zsh(root)
	}
	return fish(root)
}

// offer is a word that may follow a command.
type offer struct{ word, help string }

// offers returns what may follow c: commands, then flags of its own and of the
// groups above it.
func offers(c *Command, groups []*Command) []offer {
	var all []offer
	for _, sub := range c.Subs {
		all = append(all, offer{sub.Path[len(sub.Path)-1], sub.Help})
	}
	for _, f := range flagsOf(c, groups) {
		all = append(all, offer{"--" + f.Name, f.explained()})
		if f.Short != "" {
			all = append(all, offer{"-" + f.Short, f.explained()})
		}
	}
	return all
}

func flagsOf(c *Command, groups []*Command) []Flag {
	flags := slices.Clone(c.Flags)
	for _, g := range slices.Backward(groups) {
		flags = append(flags, g.Flags...)
	}
	return flags
}

// takesFiles tells whether an argument of c is the name of a file.
func takesFiles(c *Command) bool {
	return slices.ContainsFunc(c.Args, func(a Arg) bool { return a.File })
}

// valued lists, for each command, the flags with a value by what the value is:
// "file", "any", or the choices with blanks between them.
func valued(root *Command, write func(path string, spellings []string, what string)) {
	root.Walk(func(c *Command, groups []*Command) {
		for _, f := range flagsOf(c, groups) {
			if f.Value == "" {
				continue
			}
			spellings := []string{"--" + f.Name}
			if f.Short != "" {
				spellings = append(spellings, "-"+f.Short)
			}
			what := "any"
			switch {
			case f.File:
				what = "file"
			case len(f.Choices) > 0:
				what = strings.Join(f.Choices, " ")
			}
			write(c.Name(), spellings, what)
		}
	})
}

// shellFunctions are the three tables that bash and zsh look things up in:
// which words are commands, what the value of a flag is, and which commands
// take files.
func shellFunctions(b *strings.Builder, root *Command) {
	b.WriteString("_mailstead_command() {\n\tcase \"$1\" in\n")
	root.Walk(func(c *Command, _ []*Command) {
		if c != root {
			fmt.Fprintf(b, "\t%s) return 0 ;;\n", single(c.Name()))
		}
	})
	b.WriteString("\tesac\n\treturn 1\n}\n\n_mailstead_value() {\n\tcase \"$1:$2\" in\n")
	valued(root, func(path string, spellings []string, what string) {
		for i, s := range spellings {
			spellings[i] = single(path + ":" + s)
		}
		fmt.Fprintf(b, "\t%s) echo %s ;;\n", strings.Join(spellings, " | "), single(what))
	})
	b.WriteString("\tesac\n}\n\n_mailstead_files() {\n\tcase \"$1\" in\n")
	root.Walk(func(c *Command, _ []*Command) {
		if takesFiles(c) {
			fmt.Fprintf(b, "\t%s) return 0 ;;\n", single(c.Name()))
		}
	})
	b.WriteString("\tesac\n\treturn 1\n}\n\n")
}

func bash(root *Command) string {
	var b strings.Builder
	b.WriteString("# Completion of mailstead for bash.\n\n")
	shellFunctions(&b, root)
	b.WriteString("_mailstead_words() {\n\tcase \"$1\" in\n")
	root.Walk(func(c *Command, groups []*Command) {
		var words []string
		for _, o := range offers(c, groups) {
			words = append(words, o.word)
		}
		fmt.Fprintf(&b, "\t%s) echo %s ;;\n", single(c.Name()), single(strings.Join(words, " ")))
	})
	b.WriteString(`	esac
}

_mailstead() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at=mailstead skip= value i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		local word=${COMP_WORDS[i]}
		if [ -n "$skip" ]; then skip=; continue; fi
		case "$word" in
		-*) case "$word" in *=*) ;; *) [ -n "$(_mailstead_value "$at" "$word")" ] && skip=1 ;; esac ;;
		*) if _mailstead_command "$at $word"; then at="$at $word"; fi ;;
		esac
	done
	if [ "$prev" = "=" ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
	if [ "$cur" = "=" ]; then cur=; fi
	value=$(_mailstead_value "$at" "$prev")
	case "$value" in
	"") COMPREPLY=($(compgen -W "$(_mailstead_words "$at")" -- "$cur"))
		if [ ${#COMPREPLY[@]} = 0 ] && _mailstead_files "$at"; then COMPREPLY=($(compgen -f -- "$cur")); fi ;;
	file) COMPREPLY=($(compgen -f -- "$cur")) ;;
	any) ;;
	*) COMPREPLY=($(compgen -W "$value" -- "$cur")) ;;
	esac
}

complete -o filenames -o bashdefault -F _mailstead mailstead
`)
	return b.String()
}

func zsh(root *Command) string {
	var b strings.Builder
	b.WriteString("#compdef mailstead\n# Completion of mailstead for zsh.\n\n")
	shellFunctions(&b, root)
	b.WriteString("_mailstead_offers() {\n\tcase \"$1\" in\n")
	root.Walk(func(c *Command, groups []*Command) {
		fmt.Fprintf(&b, "\t%s) offers=(\n", single(c.Name()))
		for _, o := range offers(c, groups) {
			fmt.Fprintf(&b, "\t\t%s\n", single(o.word+":"+o.help))
		}
		b.WriteString("\t) ;;\n")
	})
	b.WriteString(`	esac
}

_mailstead() {
	local at=mailstead skip= value word i
	local -a offers
	for ((i = 2; i < CURRENT; i++)); do
		word=${words[i]}
		if [[ -n "$skip" ]]; then skip=; continue; fi
		case "$word" in
		-*=*) ;;
		-*) [[ -n "$(_mailstead_value "$at" "$word")" ]] && skip=1 ;;
		*) if _mailstead_command "$at $word"; then at="$at $word"; fi ;;
		esac
	done
	value=$(_mailstead_value "$at" "${words[CURRENT-1]}")
	case "$value" in
	"") _mailstead_offers "$at"; _describe command offers || { _mailstead_files "$at" && _files } ;;
	file) _files ;;
	any) ;;
	*) compadd -- ${=value} ;;
	esac
}

if [ "${funcstack[1]}" = _mailstead ]; then _mailstead "$@"; else compdef _mailstead mailstead; fi
`)
	return b.String()
}

func fish(root *Command) string {
	var b strings.Builder
	b.WriteString("# Completion of mailstead for fish.\n\nfunction __mailstead_value\n\tswitch \"$argv[1]:$argv[2]\"\n")
	valued(root, func(path string, spellings []string, _ string) {
		for i, s := range spellings {
			spellings[i] = single(path + ":" + s)
		}
		fmt.Fprintf(&b, "\tcase %s\n\t\treturn 0\n", strings.Join(spellings, " "))
	})
	b.WriteString("\tend\n\treturn 1\nend\n\nfunction __mailstead_command\n\tcontains -- \"$argv[1]\"")
	root.Walk(func(c *Command, _ []*Command) {
		if c != root {
			b.WriteString(" " + single(c.Name()))
		}
	})
	b.WriteString(`
end

function __mailstead_at
	set -l words (commandline -opc)
	set -l at mailstead
	set -l skip 0
	for word in $words[2..-1]
		if test $skip = 1
			set skip 0
			continue
		end
		if string match -q -- '-*=*' $word
			continue
		else if string match -q -- '-*' $word
			__mailstead_value $at $word; and set skip 1
		else if __mailstead_command "$at $word"
			set at "$at $word"
		end
	end
	test $at = $argv[1]
end

complete -c mailstead -f
`)
	root.Walk(func(c *Command, groups []*Command) {
		condition := `"__mailstead_at ` + single(c.Name()) + `"`
		for _, sub := range c.Subs {
			fmt.Fprintf(&b, "complete -c mailstead -n %s -a %s -d %s\n", condition, sub.Path[len(sub.Path)-1], single(sub.Help))
		}
		if takesFiles(c) {
			fmt.Fprintf(&b, "complete -c mailstead -n %s -F\n", condition)
		}
		for _, f := range flagsOf(c, groups) {
			fmt.Fprintf(&b, "complete -c mailstead -n %s -l %s%s -d %s\n", condition, f.Name, fishValue(f), single(f.explained()))
		}
	})
	return b.String()
}

// fishValue is what fish is told of a flag's short form and value.
func fishValue(f Flag) string {
	var s string
	if f.Short != "" {
		s = " -s " + f.Short
	}
	switch {
	case f.Value == "":
	case f.File:
		s += " -r -F"
	case len(f.Choices) > 0:
		s += " -x -a " + single(strings.Join(f.Choices, " "))
	default:
		s += " -x"
	}
	return s
}

// single quotes a text for a shell. How a quote is written within quotes is not
// the same in all shells, so that the typographer's stands for it.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", "’") + "'" }
