package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/mailstead/mailstead/mail/durable"
)

// First is the schema of data that has no number.
const First = 1

// fileName is the file with the number of a data folder.
const fileName = "schema"

// maxFile bounds that file, in octets.
const maxFile = 4096

// Newer says that data was written by a newer program.
type Newer struct {
	What    string // "/var/lib/mailstead"
	Found   int
	Program string // that wrote it, if that is known
}

func (e *Newer) Error() string {
	by := ""
	if e.Program != "" {
		by = " (written by Mailstead " + e.Program + ")"
	}
	return fmt.Sprintf("%s has schema %d%s, and this program knows schemas up to %d: it is older than the data. Start the newer program again; `mailstead upgrade back` goes back to the data from before the upgrade; a backup from before it does so too",
		e.What, e.Found, by, Current)
}

// Older says that data has to be brought over first.
type Older struct {
	What  string
	Found int
}

func (e *Older) Error() string {
	return fmt.Sprintf("%s has schema %d, and this program works with %d: `mailstead serve` brings the data over when it starts, `mailstead upgrade` does so with a way back", e.What, e.Found, Current)
}

// Check returns [*Newer] or [*Older] unless the number is that of this program.
func Check(what string, found int) error {
	switch {
	case found > Current:
		return &Newer{What: what, Found: found}
	case found < Current:
		return &Older{What: what, Found: found}
	}
	return nil
}

// Row writes a number as a row of a database.
func Row(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }

// OfRow reads such a row; a database without one is of [First].
func OfRow(row []byte) (int, error) {
	if len(row) == 0 {
		return First, nil
	}
	n, err := strconv.Atoi(string(row))
	if err != nil || n < First {
		return 0, fmt.Errorf("schema: %.20q is no number of a schema", row)
	}
	return n, nil
}

// Folder is what the file of a data folder says.
type Folder struct {
	Schema  int    `json:"schema"`
	Program string `json:"program,omitempty"` // version of the program that wrote it
}

// Read returns the schema of a data folder: [First] for a folder with data and
// no number, and [Current] for one that is empty or not there.
func Read(dir string) (Folder, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(filepath.Join(dir, "system.db")); err != nil {
			return Folder{Schema: Current}, nil
		}
		return Folder{Schema: First}, nil
	}
	if err != nil {
		return Folder{}, err
	}
	return Parse(b)
}

// Parse reads the content of the file.
func Parse(b []byte) (Folder, error) {
	var f Folder
	if len(b) > maxFile {
		return f, fmt.Errorf("the file %q of the data folder is larger than %d octets", fileName, maxFile)
	}
	if err := json.Unmarshal(bytes.TrimSpace(b), &f); err != nil || f.Schema < First {
		return Folder{}, fmt.Errorf("the file %q of the data folder is not readable: it should say {\"schema\":%d}", fileName, Current)
	}
	return f, nil
}

// CheckFolder is [Check] for a data folder.
func CheckFolder(dir string) error {
	f, err := Read(dir)
	if err != nil {
		return err
	}
	err = Check(dir, f.Schema)
	if newer := new(Newer); errors.As(err, &newer) {
		newer.Program = f.Program
	}
	return err
}

// Write notes in a data folder that it is of this program's schema. A folder
// that says so already is left alone.
func Write(dir, program string) error {
	want := Folder{Schema: Current, Program: program}
	name := filepath.Join(dir, fileName)
	if b, err := os.ReadFile(name); err == nil {
		if have, err := Parse(b); err == nil && have == want {
			return nil
		}
	}
	b, err := json.Marshal(want)
	if err != nil {
		return err
	}
	return durable.WriteFile(name, append(b, '\n'), 0o600)
}
