package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxRecord is the most bytes, as UTF-8, that a record may have: far more than all that is kept of an answer.
const maxRecord = 1 << 20

// firstBuffer is what the reader's buffer begins with. It grows up to maxRecord where a record is longer.
const firstBuffer = 64 << 10

// shownOfLong is how many bytes are kept of a line that is too long to be kept.
const shownOfLong = 1_000

// record is a row of a CSV file as it was found.
type record struct {
	// line is where the record begins, counted from 1.
	line int
	// fields are the record's; where it could not be parsed, its first line as a whole.
	fields []string
	// short says that the record has fewer fields than the header.
	short bool
	// fault says what is wrong with the record, why of which kind that is; 0 where nothing is.
	fault string
	why   why
}

// reader reads the records of CSV in UTF-8, as in RFC 4180; besides, a quote within a field that does not begin with
// one stands for itself, and lines may end in LF, CRLF or CR. Blank lines are no records.
//
// A record that is wrong costs its first line only, since what is wrong with it is most often a quote too many or too
// few: reading goes on with the next line. Thus a quote that is never closed cannot swallow the rest of the file, nor
// need more memory than maxRecord.
type reader struct {
	from  io.Reader
	comma byte
	eol   byte

	// buf[start:end] is what was read and not yet parsed; all says that there is no more.
	buf        []byte
	start, end int
	all        bool
	line       int

	// text and ends hold the fields of the record that is being parsed.
	text []byte
	ends []int
}

// newReader makes a reader of UTF-8, and finds out how its lines end.
func newReader(from io.Reader, comma byte) (*reader, error) {
	r := &reader{from: from, comma: comma, eol: '\n', buf: make([]byte, firstBuffer), line: 1}
	if err := r.fill(); err != nil {
		return nil, err
	}
	if head := r.rest(); bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0 {
		r.eol = '\r'
	}
	return r, nil
}

func (r *reader) rest() []byte { return r.buf[r.start:r.end] }

// fill fills the buffer, which grows where it is full already.
func (r *reader) fill() error {
	if r.start > 0 {
		r.end = copy(r.buf, r.rest())
		r.start = 0
	}
	if r.end == len(r.buf) {
		grown := make([]byte, min(2*len(r.buf), maxRecord))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := io.ReadFull(r.from, r.buf[r.end:])
	r.end += n
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.all = true
	case err != nil:
		return fmt.Errorf("reading the file: %w", err)
	}
	return nil
}

// next reads the next record; io.EOF says that there is none.
func (r *reader) next() (record, error) {
	for {
		w := r.rest()
		if blank := r.blank(w); blank > 0 {
			r.skip(blank)
			continue
		}
		if len(w) == 0 && r.all {
			return record{}, io.EOF
		}
		n, fault := 0, ""
		if len(w) > 0 {
			n, fault = r.parse(w)
		}
		full := len(w) == maxRecord
		switch {
		case fault != "":
			return r.reject(fault)
		case n == 0 && full:
			return r.reject(fmt.Sprintf("the row is longer than %d bytes, or a quote in it is never closed", maxRecord))
		case n == 0:
			if err := r.fill(); err != nil {
				return record{}, err
			}
		default:
			found := record{line: r.line, fields: r.fields()}
			r.skip(n)
			return found, nil
		}
	}
}

// skipLine goes on behind the end of the line.
func (r *reader) skipLine() error {
	for {
		w := r.rest()
		if i := bytes.IndexByte(w, r.eol); i >= 0 {
			r.skip(i + 1)
			return nil
		}
		r.skip(len(w))
		if r.all {
			return nil
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
}

// skip goes on by n bytes.
func (r *reader) skip(n int) {
	r.line += bytes.Count(r.buf[r.start:r.start+n], []byte{r.eol})
	r.start += n
}

// blank is how many bytes the blank line at the beginning of w has.
func (r *reader) blank(w []byte) int {
	switch {
	case len(w) > 0 && w[0] == r.eol:
		return 1
	case len(w) > 1 && w[0] == '\r' && w[1] == r.eol:
		return 2
	case len(w) == 1 && w[0] == '\r' && r.all:
		return 1
	}
	return 0
}

// reject gives the first line as a record with a fault.
func (r *reader) reject(fault string) (record, error) {
	bad := record{line: r.line, fault: fault, why: noCSV}
	for !r.all && len(r.rest()) < maxRecord && bytes.IndexByte(r.rest(), r.eol) < 0 {
		if err := r.fill(); err != nil {
			return record{}, err
		}
	}
	w := r.rest()
	if i := bytes.IndexByte(w, r.eol); i >= 0 {
		bad.fields = []string{strings.TrimSuffix(string(w[:i]), "\r")}
		r.skip(i + 1)
		return bad, nil
	}
	if r.all {
		bad.fields = []string{string(w)}
		r.skip(len(w))
		return bad, nil
	}
	bad.fields = []string{strings.ToValidUTF8(string(w[:shownOfLong]), "") + "…"}
	for {
		w := r.rest()
		if i := bytes.IndexByte(w, r.eol); i >= 0 {
			r.skip(i + 1)
			return bad, nil
		}
		r.skip(len(w))
		if r.all {
			return bad, nil
		}
		if err := r.fill(); err != nil {
			return record{}, err
		}
	}
}

// parse parses the record at the beginning of w, which is not empty: how many bytes it has, 0 where w may be too
// short to tell, or what is wrong.
func (r *reader) parse(w []byte) (n int, fault string) {
	r.text, r.ends = r.text[:0], r.ends[:0]
	lineEnd := -1
	for pos := 0; ; {
		if pos < len(w) && w[pos] == '"' {
			if pos, fault = r.quoted(w, pos+1); pos == 0 || fault != "" {
				return 0, fault
			}
		} else {
			if lineEnd < pos {
				i := bytes.IndexByte(w[pos:], r.eol)
				switch {
				case i >= 0:
					lineEnd = pos + i
				case r.all:
					lineEnd = len(w)
				default:
					return 0, ""
				}
			}
			line := w[pos:lineEnd]
			if j := bytes.IndexByte(line, r.comma); j >= 0 {
				line = line[:j]
			} else if len(line) > 0 && line[len(line)-1] == '\r' {
				line = line[:len(line)-1]
			}
			r.text = append(r.text, line...)
			pos += len(line)
		}
		r.ends = append(r.ends, len(r.text))
		// What follows a field is a comma, or the end of the line or of the file.
		switch {
		case pos == len(w):
			return pos, ""
		case w[pos] == r.comma:
			pos++
			if pos == len(w) && !r.all {
				return 0, ""
			}
		default:
			return pos + r.lineEnd(w[pos:]), ""
		}
	}
}

// quoted takes the field whose quote was opened before pos, and gives where it ends; 0 where w may be too short.
func (r *reader) quoted(w []byte, pos int) (end int, fault string) {
	for {
		i := bytes.IndexByte(w[pos:], '"')
		if i < 0 {
			if r.all {
				return 0, "a quote is opened and never closed"
			}
			return 0, ""
		}
		r.text = append(r.text, w[pos:pos+i]...)
		pos += i + 1
		switch {
		// A CR may be half of a line's end.
		case len(w)-pos < 2 && !r.all:
			return 0, ""
		case pos == len(w) || w[pos] == r.comma || r.lineEnd(w[pos:]) > 0:
			return pos, ""
		case w[pos] != '"':
			return 0, "a quote within a quoted field is not doubled, or a quote before it is never closed"
		}
		r.text = append(r.text, '"')
		pos++
	}
}

// lineEnd is how many bytes the line's end at the beginning of w has, 0 where there is none.
func (r *reader) lineEnd(w []byte) int {
	switch {
	case w[0] == r.eol:
		return 1
	case w[0] == '\r' && len(w) > 1 && w[1] == r.eol:
		return 2
	case w[0] == '\r' && len(w) == 1 && r.all:
		return 1
	}
	return 0
}

// fields are those that parse found.
func (r *reader) fields() []string {
	text := string(r.text)
	fields := make([]string, len(r.ends))
	start := 0
	for i, end := range r.ends {
		fields[i] = text[start:end]
		start = end
	}
	return fields
}
