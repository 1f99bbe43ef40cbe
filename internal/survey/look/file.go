package look

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"strings"
)

// format is a kind of file, by the name that people know it by; empty where it is not known.
type format string

// The formats that are told apart by more than their names.
const (
	formatPNG  format = "PNG"
	formatJPEG format = "JPEG"
	formatWebP format = "WebP"
	formatAVIF format = "AVIF"
	formatHEIC format = "HEIC"
	formatSVG  format = "SVG"
	formatSVGZ format = "SVGZ"
	// formatBase64 is a PNG or JPEG that was encoded once more often than it was decoded.
	formatBase64 format = "base64"
	formatEmpty  format = "empty"
)

// signatures are what files begin with; ? stands for any byte.
var signatures = []struct {
	begin string
	is    format
}{
	{"\x89PNG\r\n\x1a\n", formatPNG},
	{"\xff\xd8\xff", formatJPEG},
	{"GIF87a", "GIF"},
	{"GIF89a", "GIF"},
	{"RIFF????WEBP", formatWebP},
	{"BM????\x00\x00\x00\x00", "BMP"},
	{"II*\x00", "TIFF"},
	{"MM\x00*", "TIFF"},
	{"\x00\x00\x01\x00", "ICO"},
	{"8BPS", "PSD"},
	{"%PDF-", "PDF"},
	{"\xff\x0a", "JPEG XL"},
	{"\x00\x00\x00\x0cJXL ", "JPEG XL"},
	{"\x00\x00\x00\x0cjP  ", "JPEG 2000"},
	{"\x1f\x8b\x08", formatSVGZ},
	{"iVBORw0KGgo", formatBase64},
	{"/9j/", formatBase64},
}

// formatOf says what a file is by what is in it.
func formatOf(file []byte) format {
	if len(file) == 0 {
		return formatEmpty
	}
	for _, s := range signatures {
		if begins(file, s.begin) {
			return s.is
		}
	}
	if begins(file, "????ftyp") {
		return formatOfBrands(file)
	}
	head := bytes.ToLower(file[:min(len(file), 4<<10)])
	if text := bytes.TrimLeft(head, "\ufeff \t\r\n"); bytes.HasPrefix(text, []byte("<")) {
		if bytes.Contains(text, []byte("<svg")) {
			return formatSVG
		}
		return "HTML or XML page"
	}
	return ""
}

func begins(file []byte, pattern string) bool {
	if len(file) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] != '?' && pattern[i] != file[i] {
			return false
		}
	}
	return true
}

// formatOfBrands tells the kinds of ISO 14496-12 apart by the brands that the file says it belongs to, of which the first is the main
// one. An AVIF may belong to those of HEIC, too.
func formatOfBrands(file []byte) format {
	head := file[:min(len(file), int(min(binary.BigEndian.Uint32(file), 256)))]
	is := format("MP4")
	for at := 8; at+4 <= len(head); at += 4 {
		if at == 12 {
			continue // the version of the main brand
		}
		switch string(head[at : at+4]) {
		case "avif", "avis":
			return formatAVIF
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			is = formatHEIC
		}
	}
	return is
}

// refusal is what is said of a file that is no PNG or JPEG.
func refusal(found format) string {
	const wanted = ": give a PNG or JPEG"
	switch found {
	case formatSVG, formatSVGZ:
		return "the file is an " + string(found) + ", which can hold scripts, and which Gmail does not show" + wanted
	case formatHEIC:
		return "the file is a HEIC, as phones store photos, which few browsers show" + wanted
	case formatWebP, formatAVIF:
		return "the file is " + found.withArticle() + ", which not every mail program shows" + wanted
	case formatBase64:
		return "the file is in base64, inside the base64 that it came in: encode it once"
	case formatEmpty:
		return "the file is empty" + wanted
	case "":
		return "the file is none of the known kinds of images" + wanted
	}
	return "the file is " + found.withArticle() + wanted
}

// withArticle is the name with the article that it is spoken with.
func (f format) withArticle() string {
	if strings.IndexByte("AEFHILMNORSX", f[0]) >= 0 {
		return "an " + string(f)
	}
	return "a " + string(f)
}

// implausible says why a file cannot hold so many pixels; nil where it can. So a short file is refused before its decoder makes room
// for the pixels that it promises.
//
// A PNG's pixels are deflated, which writes two bits at least for 258 bytes, the longest match that there is (RFC 1951, 3.2.5). A JPEG
// has one bit at least for every 8 × 8 samples: the shortest code for what their mean is (ITU-T T.81, F.1.2.1 and G.1.2.1).
func implausible(file []byte, kind format, width, height int) error {
	least := width * height / 64 / 8
	if kind == formatPNG {
		// The header is always the first chunk, and a decoder might take another; then it says how many bits a channel has, and
		// which channels there are.
		const ihdr = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
		if len(file) < len(ihdr)+10 || !begins(file, ihdr) {
			return errors.New("its header is not at its beginning")
		}
		bits, channels := int(file[len(ihdr)+8]), 1
		switch file[len(ihdr)+9] {
		case 2:
			channels = 3
		case 4:
			channels = 2
		case 6:
			channels = 4
		}
		least = width * height * channels * bits / 8 / (258 * 4)
	}
	if len(file) < least {
		return fmt.Errorf("%d × %d pixels take more than %d bytes", width, height, len(file))
	}
	return nil
}

// The markers of a JPEG that are looked for (ITU-T T.81, table B.1).
const (
	markerSOI  = 0xd8
	markerSOS  = 0xda
	markerAPP1 = 0xe1
)

// scans is how many passes a JPEG is drawn in, at most: the bytes that begin one may stand in what is skipped, too. Those of pixels
// never look like it.
func scans(file []byte) int { return bytes.Count(file, []byte{0xff, markerSOS}) }

// orientation is which way up an image was stored, as Exif numbers it (Exif 2.32, 4.6.4, tag 0x0112): 1 to 8.
type orientation int

const (
	upright orientation = 1
	// transposed is the first of those whose rows are what is to be seen as columns.
	transposed orientation = 5
)

// orientationOf finds the orientation of a JPEG in its Exif; upright where there is none, or none that makes sense.
func orientationOf(file []byte) orientation {
	rest := file[2:]
	for len(rest) >= 4 && rest[0] == 0xff {
		marker := rest[1]
		if marker == 0xff { // Any number of these may stand before a marker.
			rest = rest[1:]
			continue
		}
		size := 2 + int(binary.BigEndian.Uint16(rest[2:]))
		if marker == markerSOS || marker == markerSOI || size < 4 || size > len(rest) {
			break
		}
		if tiff, ok := bytes.CutPrefix(rest[4:size], []byte("Exif\x00\x00")); ok && marker == markerAPP1 {
			return orientationIn(tiff)
		}
		rest = rest[size:]
	}
	return upright
}

// orientationIn reads the orientation of Exif's TIFF structure: in its first directory, as a SHORT.
func orientationIn(tiff []byte) orientation {
	var order binary.ByteOrder
	switch {
	case begins(tiff, "II*\x00????"):
		order = binary.LittleEndian
	case begins(tiff, "MM\x00*????"):
		order = binary.BigEndian
	default:
		return upright
	}
	directory := uint64(order.Uint32(tiff[4:]))
	if directory+2 > uint64(len(tiff)) {
		return upright
	}
	entries := tiff[directory+2:]
	const size, tag, short = 12, 0x0112, 3
	for n := order.Uint16(tiff[directory:]); n > 0 && len(entries) >= size; n-- {
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			if o := orientation(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			break
		}
		entries = entries[size:]
	}
	return upright
}

// swapsSides reports whether the image is as wide as what was stored is high.
func (o orientation) swapsSides() bool { return o >= transposed }

// apply turns an image the right way up.
func (o orientation) apply(stored *image.RGBA) *image.RGBA {
	if o == upright {
		return stored
	}
	width, height := stored.Rect.Dx(), stored.Rect.Dy()
	size := image.Rect(0, 0, width, height)
	if o.swapsSides() {
		size = image.Rect(0, 0, height, width)
	}
	fromRight := o == 2 || o == 3 || o == 7 || o == 8
	fromBelow := o == 3 || o == 4 || o == 6 || o == 7
	turned := image.NewRGBA(size)
	for y := range size.Dy() {
		for x := range size.Dx() {
			column, row := x, y
			if o.swapsSides() {
				column, row = y, x
			}
			if fromRight {
				column = width - 1 - column
			}
			if fromBelow {
				row = height - 1 - row
			}
			copy(turned.Pix[turned.PixOffset(x, y):], stored.Pix[stored.PixOffset(column, row):][:4])
		}
	}
	return turned
}
