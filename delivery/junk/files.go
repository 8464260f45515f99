package junk

import (
	"strings"

	"github.com/mailstead/mailstead/mail/message"
)

// files is what is known of the attachments of a message.
type files struct {
	count      int
	executable bool // starts a program when it is opened
	disguised  bool // and has the name of something harmless: "invoice.pdf.exe"
	macros     bool // a document that can contain programs
	page       bool // an HTML page or a drawing with scripts
	image      bool // a disk image or an archive that mail programs do not look into
	archive    bool
}

// file takes an attachment: its type and the ends of its name.
func (l *letter) file(p *message.Part) {
	name := strings.ToLower(strings.TrimRight(p.Filename(), " ."))
	if len(name) > 200 {
		name = name[len(name)-200:]
	}
	base, ext := cutExtension(name)
	l.tokens.addString("ft:", p.Type+"/"+p.Subtype)
	l.tokens.addString("fe:", ext)
	f := &l.files
	f.count++
	switch kindOfFile[ext] {
	case fileProgram:
		f.executable = true
		if _, inner := cutExtension(strings.TrimRight(base, " ")); harmless[inner] {
			f.disguised = true
		}
	case fileMacros:
		f.macros = true
	case filePage:
		f.page = true
	case fileImage:
		f.image = true
	case fileArchive:
		f.archive = true
	}
	if strings.ContainsAny(name, "\u202e\u202d") { // turns "exe.fdp" around
		f.disguised = true
	}
	l.text(kindFile, []byte(base), &l.other)
}

// cutExtension divides a name at its last dot.
func cutExtension(name string) (base, ext string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || len(name)-i > 12 {
		return name, ""
	}
	return name[:i], name[i+1:]
}

type fileKind uint8

const (
	fileOther fileKind = iota
	fileProgram
	fileMacros
	filePage
	fileImage
	fileArchive
)

// kindOfFile tells what happens when a file of a name is opened.
var kindOfFile = func() map[string]fileKind {
	m := map[string]fileKind{}
	for kind, names := range map[fileKind]string{
		fileProgram: "exe scr com bat cmd pif js jse vbs vbe wsf wsh hta lnk msi msp jar ps1 cpl reg dll chm gadget application appref-ms scf url xll sct ws apk",
		fileMacros:  "docm dotm xlsm xltm xlam pptm potm ppam ppsm sldm one",
		filePage:    "htm html shtml xhtml mht mhtml svg",
		fileImage:   "iso img vhd vhdx udf",
		fileArchive: "zip rar 7z tar gz tgz bz2 xz cab ace arj lzh z",
	} {
		for name := range strings.FieldsSeq(names) {
			m[name] = kind
		}
	}
	return m
}()

// harmless are endings that people trust.
var harmless = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq("pdf doc docx xls xlsx ppt pptx txt rtf csv jpg jpeg png gif mp3 mp4 zip odt ods html htm") {
		m[name] = true
	}
	return m
}()
