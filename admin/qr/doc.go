// Package qr draws QR codes (ISO/IEC 18004) as SVG, for pages that show a
// phone what to set up. It is the door of rsc.io/qr.
package qr
