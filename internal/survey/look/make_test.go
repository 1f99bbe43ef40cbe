package look

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/bits"
	"slices"
	"strings"
	"testing"
)

// planted is hidden wherever a file has room for more than its pixels, and must be nowhere in what is made of it.
const planted = "PLANTED 52.5200N 13.4050E"

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gifOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// quarters is an image of four colours, named from left to right and from above.
func quarters(width, height int, colors [4]color.RGBA) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetRGBA(x, y, colors[2*(2*y/height)+2*x/width])
		}
	}
	return m
}

var (
	red    = color.RGBA{0xff, 0, 0, 0xff}
	green  = color.RGBA{0, 0xff, 0, 0xff}
	blue   = color.RGBA{0, 0, 0xff, 0xff}
	yellow = color.RGBA{0xff, 0xff, 0, 0xff}
)

func fourColors(width, height int) *image.RGBA {
	return quarters(width, height, [4]color.RGBA{red, green, blue, yellow})
}

// chunk is a part of a PNG.
func chunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func deflated(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	gray      = 0
	trueColor = 2
	paletted  = 3
	grayAlpha = 4
	trueAlpha = 6
)

func header(width, height uint32, depth, colorType, interlace byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, width)
	b = binary.BigEndian.AppendUint32(b, height)
	return chunk("IHDR", append(b, depth, colorType, 0, 0, interlace))
}

// assembled is a PNG of these chunks, and then IEND.
func assembled(chunks ...[]byte) []byte {
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), slices.Concat(chunks...), chunk("IEND", nil))
}

// interlaced is a PNG of an image in Adam7's seven passes (PNG, third edition, 8.1), with 8 or 16 bits a channel.
func interlaced(t testing.TB, m image.Image, depth byte) []byte {
	t.Helper()
	size := m.Bounds()
	var raw []byte
	for _, pass := range [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
		if pass[0] >= size.Dx() {
			continue
		}
		for y := pass[1]; y < size.Dy(); y += pass[3] {
			raw = append(raw, 0)
			for x := pass[0]; x < size.Dx(); x += pass[2] {
				c := color.NRGBA64Model.Convert(m.At(x, y)).(color.NRGBA64)
				for _, v := range [...]uint16{c.R, c.G, c.B, c.A} {
					raw = append(raw, byte(v>>8))
					if depth == 16 {
						raw = append(raw, byte(v))
					}
				}
			}
		}
	}
	return assembled(header(uint32(size.Dx()), uint32(size.Dy()), depth, trueAlpha, 1), chunk("IDAT", deflated(t, raw)))
}

// with puts chunks into a PNG, right behind its header.
func with(file []byte, chunks ...[]byte) []byte {
	const ihdr = 8 + 4 + 4 + 13 + 4
	return slices.Concat(file[:ihdr], slices.Concat(chunks...), file[ihdr:])
}

// segment is a part of a JPEG.
func segment(marker byte, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(data))), data...)
}

// after puts segments into a JPEG, at its beginning.
func after(file []byte, segments ...[]byte) []byte {
	return slices.Concat(file[:2], slices.Concat(segments...), file[2:])
}

const (
	app0  = 0xe0
	app1  = 0xe1
	app2  = 0xe2
	app13 = 0xed
	app14 = 0xee
	com   = 0xfe
)

// exif is a segment as cameras write it: an orientation, where the photo was taken, and what it shows.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("II")
	if order.String() == binary.BigEndian.String() {
		b = []byte("MM")
	}
	b = order.AppendUint16(b, 42)
	const ifd0, gps, text = 8, 8 + 2 + 3*12 + 4, 8 + 2 + 3*12 + 4 + 2 + 2*12 + 4
	entry := func(tag, kind uint16, count, value uint32) {
		b = order.AppendUint16(b, tag)
		b = order.AppendUint16(b, kind)
		b = order.AppendUint32(b, count)
		if kind == 3 {
			b = order.AppendUint16(b, uint16(value))
			b = order.AppendUint16(b, 0)
		} else {
			b = order.AppendUint32(b, value)
		}
	}
	b = order.AppendUint32(b, ifd0)
	b = order.AppendUint16(b, 3)
	entry(0x010e, 2, uint32(len(planted)+1), text) // ImageDescription
	entry(0x0112, 3, 1, uint32(orientation))       // Orientation
	entry(0x8825, 4, 1, gps)                       // GPSInfo
	b = order.AppendUint32(b, 0)
	b = order.AppendUint16(b, 2)
	entry(0x0000, 1, 4, 0x02030000)                // GPSVersionID
	entry(0x001b, 7, uint32(len(planted)+1), text) // GPSProcessingMethod
	b = order.AppendUint32(b, 0)
	b = append(b, planted+"\x00"...)
	return segment(app1, append([]byte("Exif\x00\x00"), b...))
}

// blocks is a JPEG whose blocks of 8 × 8 samples are each of one value, so that it can be of kinds that image/jpeg does not write.
type blocks struct {
	width, height int
	// sampling is of each component: how many blocks in a unit across, and how many down.
	sampling [][2]int
	// value is of the block that begins at a pixel.
	value func(component, x, y int) byte
	// progressive ones have a pass for what blocks are on average, and as many empty ones after it.
	progressive bool
	emptyPasses int
	// adobe is the transform that Adobe's segment names; none where below 0.
	adobe int
}

// bitWriter writes entropy-coded data (ITU-T T.81, F.1.2.3).
type bitWriter struct {
	out  []byte
	held uint32
	n    int
}

func (w *bitWriter) write(value uint32, n int) {
	w.held, w.n = w.held<<n|value, w.n+n
	for w.n >= 8 {
		w.n -= 8
		b := byte(w.held >> w.n)
		if w.out = append(w.out, b); b == 0xff {
			w.out = append(w.out, 0)
		}
	}
}

func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.write(1<<(8-w.n)-1, 8-w.n)
	}
	return w.out
}

// head is all before the first block.
func (j blocks) head() []byte {
	components := len(j.sampling)
	out := []byte{0xff, 0xd8}
	if j.adobe >= 0 {
		out = append(out, segment(app14, []byte{'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, byte(j.adobe)})...)
	}
	out = append(out, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{8}, 64)...))...)
	frame := []byte{8, byte(j.height >> 8), byte(j.height), byte(j.width >> 8), byte(j.width), byte(components)}
	scan := []byte{byte(components)}
	for i, s := range j.sampling {
		frame = append(frame, byte(i+1), byte(s[0]<<4|s[1]), 0)
		scan = append(scan, byte(i+1), 0)
	}
	marker, last := byte(0xc0), byte(63)
	if j.progressive {
		marker, last = 0xc2, 0
	}
	out = append(out, segment(marker, frame)...)
	// Averages: that there is no difference in one bit, how many bits it has in four, and eight of them in five. The rest: a block's
	// end in one bit, and that of 2¹⁴ and more in two.
	out = append(out, segment(0xc4, []byte{0: 0x00, 1: 1, 4: 7, 5: 1, 17: 0, 1, 2, 3, 4, 5, 6, 7, 8})...)
	out = append(out, segment(0xc4, []byte{0: 0x10, 1: 1, 2: 1, 17: 0x00, 0xe0})...)
	return append(out, segment(markerSOS, append(scan, 0, last, 0))...)
}

func (j blocks) file() []byte {
	out := j.head()
	var w bitWriter
	before := make([]int, len(j.sampling))
	// The first component has as many samples as any.
	across, down := j.sampling[0][0], j.sampling[0][1]
	for y := 0; y < j.height; y += 8 * down {
		for x := 0; x < j.width; x += 8 * across {
			for i, s := range j.sampling {
				for b := range s[0] * s[1] {
					value := int(j.value(i, x+b%s[0]*8*across/s[0], y+b/s[0]*8*down/s[1])) - 128
					difference := value - before[i]
					before[i] = value
					n := bits.Len(uint(max(difference, -difference)))
					switch n {
					case 0:
						w.write(0, 1)
					case 8:
						w.write(0b11110, 5)
					default:
						w.write(uint32(0b1000+n-1), 4)
					}
					if difference < 0 {
						difference += 1<<n - 1
					}
					w.write(uint32(difference), n)
					if !j.progressive {
						w.write(0, 1)
					}
				}
			}
		}
	}
	out = append(out, w.flush()...)
	for range j.emptyPasses {
		out = append(out, segment(markerSOS, []byte{1, 1, 0, 1, 63, 0})...)
		out = append(out, emptyPass((j.width+7)/8*((j.height+7)/8))...)
	}
	return append(out, 0xff, 0xd9)
}

// emptyPass says of so many blocks that nothing is added to them.
func emptyPass(n int) []byte {
	var w bitWriter
	for n > 0 {
		if run := min(n, 1<<15-1); run >= 1<<14 {
			w.write(0b10, 2)
			w.write(uint32(run-1<<14), 14)
			n -= run
		} else {
			w.write(0, 1)
			n--
		}
	}
	return w.flush()
}

var (
	// full is as many samples of each colour as of light.
	full = [][2]int{{1, 1}, {1, 1}, {1, 1}}
	inks = [][2]int{{1, 1}, {1, 1}, {1, 1}, {1, 1}}
)

func flat(values ...byte) func(component, x, y int) byte {
	return func(component, _, _ int) byte { return values[component] }
}

// samples are small files of all kinds that are taken, each with something planted where there is room.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	photo := fourColors(64, 32)
	text := append([]byte("Comment\x00"), planted...)
	zipped := append([]byte("Comment\x00\x00"), deflated(t, []byte(planted))...)
	international := append([]byte("Comment\x00\x00\x00en\x00\x00"), planted...)
	profile := append([]byte("profile\x00\x00"), deflated(t, []byte(planted))...)
	seen := append([]byte("http://ns.adobe.com/xap/1.0/\x00"), planted...)

	hidden := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	for i := range 32 * 32 {
		copy(hidden.Pix[4*i:], planted[i%8*3:][:3])
	}
	hidden.SetNRGBA(7, 7, color.NRGBA{200, 100, 50, 128})
	colors := make([]byte, 768)
	copy(colors[300:], planted)
	half := image.NewNRGBA64(image.Rect(0, 0, 9, 9))
	for i := range 81 {
		half.SetNRGBA64(i%9, i/9, color.NRGBA64{0x1234, 0x5678, 0x9abc, 0x8000})
	}

	return map[string][]byte{
		"plain PNG":          pngOf(t, photo),
		"grey PNG":           pngOf(t, image.NewGray(image.Rect(0, 0, 5, 7))),
		"PNG of 16 bits":     pngOf(t, half),
		"grey of 16 bits":    pngOf(t, image.NewGray16(image.Rect(0, 0, 5, 7))),
		"interlaced PNG":     interlaced(t, photo, 8),
		"interlaced, deep":   interlaced(t, half, 16),
		"one pixel":          pngOf(t, image.NewNRGBA(image.Rect(0, 0, 1, 1))),
		"one, interlaced":    interlaced(t, image.NewNRGBA(image.Rect(0, 0, 1, 1)), 8),
		"a line":             pngOf(t, image.NewGray(image.Rect(0, 0, 700, 1))),
		"PNG with a text":    with(pngOf(t, photo), chunk("tEXt", text), chunk("zTXt", zipped), chunk("iTXt", international)),
		"PNG with a profile": with(pngOf(t, photo), chunk("iCCP", profile), chunk("gAMA", []byte{0, 0, 0xb1, 0x8f})),
		"PNG with Exif":      with(pngOf(t, photo), chunk("eXIf", exif(binary.BigEndian, 6)[10:])),
		"PNG and more":       append(pngOf(t, photo), strings.Repeat(planted, 10)...),
		"hidden pixels":      pngOf(t, hidden),
		"unused colours": assembled(header(4, 1, 8, paletted, 0), chunk("PLTE", colors), chunk("tRNS", []byte{0, 128, 255}),
			chunk("IDAT", deflated(t, []byte{0, 0, 1, 2, 3}))),
		"one bit, transparent": assembled(header(8, 1, 1, gray, 0), chunk("tRNS", []byte{0, 1}), chunk("IDAT", deflated(t, []byte{0, 0xf0}))),
		"deep, transparent": assembled(header(2, 1, 16, trueColor, 0), chunk("tRNS", []byte{0, 1, 0, 2, 0, 3}),
			chunk("IDAT", deflated(t, []byte{0, 0, 1, 0, 2, 0, 3, 0, 1, 0, 2, 0, 4}))),
		"grey with alpha": assembled(header(2, 1, 8, grayAlpha, 0), chunk("IDAT", deflated(t, []byte{0, 200, 255, 100, 0}))),
		"animated PNG": assembled(header(2, 1, 8, gray, 0), chunk("acTL", []byte{0, 0, 0, 2, 0, 0, 0, 0}),
			chunk("fcTL", make([]byte, 26)), chunk("IDAT", deflated(t, []byte{0, 200, 255})),
			chunk("fcTL", append([]byte{0, 0, 0, 1}, make([]byte, 22)...)), chunk("fdAT", append([]byte{0, 0, 0, 2}, planted...))),

		"plain JPEG":  jpegOf(t, photo),
		"grey JPEG":   jpegOf(t, image.NewGray(image.Rect(0, 0, 5, 7))),
		"one pixel's": jpegOf(t, image.NewGray(image.Rect(0, 0, 1, 1))),
		"phone photo": after(jpegOf(t, photo), exif(binary.LittleEndian, 6), segment(app1, seen)),
		"JPEG with all": append(after(jpegOf(t, photo), segment(app0, []byte("JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00")),
			segment(app1, seen), exif(binary.BigEndian, 3), segment(app2, append([]byte("ICC_PROFILE\x00\x01\x01"), planted...)),
			segment(app13, []byte("Photoshop 3.0\x00"+planted)), segment(com, []byte(planted))), planted...),
		"progressive JPEG": blocks{64, 32, full, flat(100, 90, 200), true, 5, -1}.file(),
		"fewer colours":    blocks{50, 30, [][2]int{{2, 2}, {1, 1}, {1, 1}}, flat(100, 90, 200), false, 0, -1}.file(),
		"fewer, wide":      blocks{50, 30, [][2]int{{4, 1}, {1, 1}, {1, 1}}, flat(100, 90, 200), true, 0, -1}.file(),
		"RGB JPEG":         blocks{16, 16, full, flat(10, 200, 30), false, 0, 0}.file(),
		"CMYK JPEG":        blocks{16, 16, inks, flat(255, 0, 255, 255), false, 0, 0}.file(),
		"YCCK JPEG":        blocks{16, 16, [][2]int{{2, 2}, {1, 1}, {1, 1}, {2, 2}}, flat(100, 128, 128, 255), true, 1, 2}.file(),
	}
}
