package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// encoding is how a file writes characters.
type encoding string

const (
	utf8Text    encoding = "UTF-8"
	utf16LE     encoding = "UTF-16LE"
	utf16BE     encoding = "UTF-16BE"
	windows1252 encoding = "Windows-1252"
	macintosh   encoding = "Mac Roman"
)

// parseEncoding reads an encoding's name. Files that are said to be Latin-1 are read as Windows-1252, which holds it,
// as browsers do.
func parseEncoding(name string) (encoding, error) {
	switch strings.ToLower(name) {
	case "utf-8", "utf8":
		return utf8Text, nil
	case "utf-16le", "utf16le", "utf-16", "utf16":
		return utf16LE, nil
	case "utf-16be", "utf16be":
		return utf16BE, nil
	case "windows-1252", "windows1252", "cp1252", "latin1", "latin-1", "iso-8859-1":
		return windows1252, nil
	case "macintosh", "macroman", "mac-roman", "mac":
		return macintosh, nil
	}
	return "", badOption("%q is no encoding that can be read: --encoding is utf-8, utf-16le, utf-16be, windows-1252 or macintosh", name)
}

// mark is the byte order mark at the beginning of a file, and the encoding that it tells; "" where there is none.
func mark(head []byte) (length int, e encoding) {
	switch {
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		return 3, utf8Text
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return 2, utf16LE
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return 2, utf16BE
	}
	return 0, ""
}

// readable refuses a file that holds no text: its errors would be a mess.
func readable(f io.ReadSeeker, e encoding) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the file: %w", err)
	}
	head, err := io.ReadAll(io.LimitReader(f, 8<<10))
	if err != nil {
		return fmt.Errorf("reading the file: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0")):
		return errors.New("the file is no CSV but a workbook or an archive: save its sheet as CSV")
	case bytes.HasPrefix(head, []byte("\x1F\x8B")):
		return errors.New("the file is no CSV but compressed: unpack it first, such as with gunzip")
	case bytes.HasPrefix(head, []byte("%PDF-")):
		return errors.New("the file is no CSV but a PDF")
	}
	text, err := io.ReadAll(decode(bytes.NewReader(head), e))
	if err != nil && len(text) == 0 {
		return fmt.Errorf("the file cannot be read as %s: %w", e, err)
	}
	control, all := 0, 0
	for _, c := range string(text) {
		all++
		if c < ' ' && !strings.ContainsRune("\t\r\n", c) {
			control++
		}
	}
	// A character that slipped into a comment is none to stop at.
	if control > 4 && control*50 > all {
		return errors.New("the file is no CSV: it holds no text that can be read; where it is in UTF-16, say so with --encoding")
	}
	return nil
}

// decode gives the file, from after its byte order mark, as UTF-8. In Windows-1252 the five bytes that stand for
// nothing become the control characters of the same number, as browsers have it.
func decode(from io.Reader, e encoding) io.Reader {
	switch e {
	case utf16LE:
		return transform.NewReader(from, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder())
	case utf16BE:
		return transform.NewReader(from, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder())
	case windows1252:
		return transform.NewReader(from, &windows1252Decoder{})
	case macintosh:
		return transform.NewReader(from, charmap.Macintosh.NewDecoder())
	}
	return from
}

// windows1252Decoder turns Windows-1252 into UTF-8.
type windows1252Decoder struct{ transform.NopResetter }

func (*windows1252Decoder) Transform(dst, src []byte, _ bool) (nDst, nSrc int, err error) {
	for _, b := range src {
		r := rune(b)
		if b >= utf8.RuneSelf {
			if r = charmap.Windows1252.DecodeByte(b); r == utf8.RuneError {
				r = rune(b)
			}
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc++
	}
	return nDst, nSrc, nil
}

// recognise finds the encoding of a file without a byte order mark, reading all of it.
func recognise(ctx context.Context, from io.Reader) (encoding, error) {
	var c census
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := io.ReadFull(from, buf)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		c.count(buf[:n], last)
		switch {
		case last:
			e := c.encoding()
			// Few such bytes among many others came from elsewhere, such as a comment of an old DOS.
			if e == windows1252 && c.odd*10 >= c.invalid {
				return "", badOption("the encoding cannot be told: as Windows-1252, %d of %d letters are none, or in no word; "+
					"say it with --encoding macintosh where the file is of an old Mac, or windows-1252, or save it as UTF-8", c.odd, c.invalid)
			}
			return e, nil
		case err != nil:
			return "", fmt.Errorf("reading the file: %w", err)
		}
	}
}

// census counts what tells encodings apart.
type census struct {
	// length is of all bytes; zero are those that are 0, at even and at odd places.
	length int64
	zero   [2]int64
	// many are characters of more than one byte, as in UTF-8; invalid are bytes that are part of none.
	many, invalid int64
	// odd are bytes that make no sense in Windows-1252: those that stand for nothing there, and capitals and signs right
	// behind a small letter, which are é, è, ä, ö and ü in Mac Roman. previous is the byte before.
	odd      int64
	previous byte
	// begun is a character that the end of a part of the file has cut.
	begun []byte
}

func (c *census) count(part []byte, last bool) {
	for _, b := range part {
		switch b {
		case 0x81, 0x8D, 0x8F, 0x90, 0x9D:
			c.odd++
		case 0x83, 0x88, 0x8A, 0x8E, 0x9F: // ƒ ˆ Š Ž Ÿ
			if 'a' <= c.previous && c.previous <= 'z' {
				c.odd++
			}
		}
		c.previous = b
	}
	for i := bytes.IndexByte(part, 0); i >= 0; {
		c.zero[(c.length+int64(i))%2]++
		next := bytes.IndexByte(part[i+1:], 0)
		if next < 0 {
			break
		}
		i += 1 + next
	}
	c.length += int64(len(part))
	if len(c.begun) > 0 {
		// The first few bytes decide; the others are counted below.
		k := 0
		for k < len(part) && !utf8.FullRune(c.begun) {
			c.begun = append(c.begun, part[k])
			k++
		}
		part = part[k:]
		part = append(c.begun, part...)
		c.begun = nil
	}
	for len(part) > 0 {
		if part[0] < utf8.RuneSelf {
			part = part[1:]
			continue
		}
		if !last && !utf8.FullRune(part) {
			c.begun = bytes.Clone(part)
			return
		}
		r, size := utf8.DecodeRune(part)
		if r == utf8.RuneError && size == 1 {
			c.invalid++
		} else {
			c.many++
		}
		part = part[size:]
	}
}

// encoding weighs what was counted. In UTF-16 every second byte of a table is 0. Text in Windows-1252 hardly ever
// looks like UTF-8: where there is more of that than of what is not, the file is UTF-8, and damaged in places.
func (c *census) encoding() encoding {
	even, odd := c.zero[0], c.zero[1]
	switch half := c.length / 2; {
	case odd*10 > half*4 && even*20 < odd:
		return utf16LE
	case even*10 > half*4 && odd*20 < even:
		return utf16BE
	case c.invalid == 0 || c.many > c.invalid:
		return utf8Text
	}
	return windows1252
}
