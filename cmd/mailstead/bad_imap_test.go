package main

import (
	"encoding/base64"
	"testing"
)

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// TestBadIMAPSyntax: peers that break the grammar of IMAP, or stretch it as
// far as it goes.
func TestBadIMAPSyntax(t *testing.T) {
	t.Parallel()
	runBadPeers(t, []badPeer{
		{"literals before the login", badLiteralsBeforeLogin},
		{"literals", badLiterals},
		{"APPEND over the limit", badAppends},
		{"garbage", badGarbage},
		{"tags", badTags},
		{"nesting", badNesting},
		{"LIST with 60 wildcards", badPatterns},
		{"sets of 50 KB", badSets},
		{"SEARCH with thousands of keys", badSearches},
		{"FETCH of thousands of items", badFetches},
		{"NUL and bad UTF-8 everywhere", badOctets},
		{"modified UTF-7", badUTF7},
		{"names never read", badLister}, // takes all the room there is for names
	})
}

// TestBadIMAPPeers: peers that use the grammar well, for bad ends.
func TestBadIMAPPeers(t *testing.T) {
	t.Parallel()
	runBadPeers(t, []badPeer{
		{"hostile messages", badMail},
		{"STARTTLS injection", badSTARTTLS},
		{"AUTHENTICATE", badAuthenticate},
		{"IDLE", badIdle},
		{"pipelines", badPipelines},
		{"connections cut at each stage", badCuts},
		{"connection floods", badFlood},
		{"an octet a second", badSlowness},
		{"half commands", badHalfCommands},
		{"10 MB announced", badAnnounced},
		{"much to index", badIndexes},
		{"1 GB never read", badReader},
		{"mailboxes and keywords", badMailboxes},
	})
}
