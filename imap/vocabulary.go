package imap

import "github.com/emersion/go-imap/v2"

// Capabilities without a name in go-imap.
const (
	CapQuotaStorage imap.Cap = "QUOTA=RES-STORAGE" // RFC 9208 section 5.1
	CapQuotaMessage imap.Cap = "QUOTA=RES-MESSAGE" // RFC 9208 section 5.2
)

// Response codes without a name in go-imap. Those with arguments are written
// as "NAME arguments".
const (
	CodeExpungeIssued  imap.ResponseCode = "EXPUNGEISSUED"  // RFC 5530 section 3
	CodeUnavailable    imap.ResponseCode = "UNAVAILABLE"    // RFC 5530 section 3
	CodeClosed         imap.ResponseCode = "CLOSED"         // RFC 7162 section 3.2.11
	CodeReadOnly       imap.ResponseCode = "READ-ONLY"      // RFC 9051 section 7.1
	CodeReadWrite      imap.ResponseCode = "READ-WRITE"     // RFC 9051 section 7.1
	CodeUseAttr        imap.ResponseCode = "USEATTR"        // RFC 6154 section 3
	CodeBadCharset     imap.ResponseCode = "BADCHARSET"     // RFC 9051 section 7.1
	CodeCapability     imap.ResponseCode = "CAPABILITY"     // RFC 9051 section 7.1
	CodeUIDValidity    imap.ResponseCode = "UIDVALIDITY"    // RFC 9051 section 7.1
	CodeUIDNext        imap.ResponseCode = "UIDNEXT"        // RFC 9051 section 7.1
	CodeUnseen         imap.ResponseCode = "UNSEEN"         // RFC 3501 section 7.1
	CodePermanentFlags imap.ResponseCode = "PERMANENTFLAGS" // RFC 9051 section 7.1
	CodeHighestModSeq  imap.ResponseCode = "HIGHESTMODSEQ"  // RFC 7162 section 3.1.2.1
	CodeModified       imap.ResponseCode = "MODIFIED"       // RFC 7162 section 3.1.3
	CodeMailboxID      imap.ResponseCode = "MAILBOXID"      // RFC 8474 section 4
	CodeAppendUID      imap.ResponseCode = "APPENDUID"      // RFC 9051 section 7.1
	CodeCopyUID        imap.ResponseCode = "COPYUID"        // RFC 9051 section 7.1
)

// QuotaResource names what a quota limits (RFC 9208 section 5).
type QuotaResource string

const (
	QuotaStorage QuotaResource = "STORAGE" // in units of 1024 octets
	QuotaMessage QuotaResource = "MESSAGE"
)
