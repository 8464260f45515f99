package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// benchMessage is a usual message of about size octets: 12 fields above it, text
// and HTML, and an attachment that makes up the rest.
func benchMessage(size int) []byte {
	var b bytes.Buffer
	for i := range 4 {
		fmt.Fprintf(&b, "Received: from mx%d.example.org (mx%d.example.org [192.0.2.%d])\r\n\tby mail.example.net with ESMTPS id 3fabc%d\r\n"+
			"\tfor <bo@example.net>; Mon, 2 Feb 2026 10:00:0%d +0100\r\n", i, i, i, i, i)
	}
	b.WriteString("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h=From:To:Subject;\r\n\tb=" + strings.Repeat("AbCd", 60) + "\r\n" +
		"From: =?utf-8?q?Ren=C3=A9?= Example <rene@example.org>\r\nTo: Bo <bo@example.net>, Carl <carl@example.net>\r\nCc: dora@example.com\r\n" +
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus_Berlin?=\r\nDate: Mon, 2 Feb 2026 10:00:00 +0100\r\nMessage-ID: <20260202.1@example.org>\r\n" +
		"In-Reply-To: <20260201.7@example.net>\r\nReferences: <20260131.2@example.org> <20260201.7@example.net>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=\"=_outer_0123456789\"\r\n\r\n--=_outer_0123456789\r\n" +
		"Content-Type: multipart/alternative; boundary=\"=_inner_0123456789\"\r\n\r\n--=_inner_0123456789\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	text := strings.Repeat("Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod=C3=BC.\r\n", min(size/400, 50))
	b.WriteString(text + "--=_inner_0123456789\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>" +
		text + "--=_inner_0123456789--\r\n--=_outer_0123456789\r\nContent-Type: application/pdf; name=\"bill.pdf\"\r\n" +
		"Content-Disposition: attachment; filename=\"bill.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("0123456789abcdefghi"), 3)) + "\r\n"
	for b.Len() < size {
		b.WriteString(line)
	}
	b.WriteString("--=_outer_0123456789--\r\n")
	return b.Bytes()
}

func BenchmarkIndexer(b *testing.B) {
	for _, size := range []int{4 << 10, 50 << 10, 1 << 20} {
		msg := benchMessage(size)
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				x := NewIndexer()
				for rest := msg; len(rest) > 0; rest = rest[min(8<<10, len(rest)):] { // as DATA comes in
					x.Write(rest[:min(8<<10, len(rest))])
				}
				x.Close()
			}
		})
	}
}

func BenchmarkRecord(b *testing.B) {
	ix := parse(b, benchMessage(50<<10))
	rec, err := ix.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("record of %d octets", len(rec))
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rec, _ = ix.AppendBinary(rec[:0])
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Decode(rec)
		}
	})
	b.Run("envelope", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			DecodeEnvelope(rec)
		}
	})
	b.Run("prepend", func(b *testing.B) {
		header := []byte("Return-Path: <ana@example.org>\r\nDelivered-To: bo@example.net\r\n")
		b.ReportAllocs()
		for b.Loop() {
			c := *ix
			c.Prepend(header)
		}
	})
}
