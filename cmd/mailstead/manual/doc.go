// Package manual writes what is known of the command line and of the settings
// in the forms that people and shells read: man pages, completion for bash, zsh
// and fish, and the reference pages of docs/.
//
// cmd/mailstead hands in the model of its parser; nothing here knows a command
// by name, so that what is written cannot differ from what the program takes.
package manual
