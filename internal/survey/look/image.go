package look

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
)

// Limits of the files that are taken: bytes, and pixels in either direction.
const (
	MaxLogoBytes       = 512 << 10
	MaxLogoSide        = 2_000
	MaxBackgroundBytes = 1 << 20
	MaxBackgroundSide  = 4_000
)

// Limits of the images that are made, in pixels.
const (
	MaxLogoWidth  = 600
	MaxLogoHeight = 300
	// MaxLongSide is of a background, whichever way it lies.
	MaxLongSide = 1_920
)

// What making one image takes, in bytes of memory: no file of those that are taken makes it more. See Background.
const (
	LogoMemory       = 112 << 20
	BackgroundMemory = 448 << 20
)

// Image is an image that was made anew: it has the pixels of the file that it was made of, turned the right way up and scaled down,
// and nothing else that was in the file, such as where a photo was taken, a smaller copy, a comment or what lies behind transparent
// pixels. A profile of colours goes, too, and the numbers are taken as sRGB's.
type Image struct {
	Data []byte
	// MediaType is image/png or image/jpeg.
	MediaType string
	// Width and Height are in pixels.
	Width, Height int
	// Hash is the SHA-256 of Data in small hexadecimal letters: the image's public name.
	Hash string
}

// Logo makes a PNG of a file that is a PNG or JPEG of at most MaxLogoBytes, and MaxLogoSide both wide and high. It has at most
// MaxLogoWidth × MaxLogoHeight pixels, and is as transparent as the file. Of an animated PNG it is the picture that is shown where
// animations are not.
//
// The error says what was found and what is wanted, in words that are made for whoever sent the file.
//
// It takes up to LogoMemory, and under a second.
func Logo(file []byte) (Image, error) {
	pixels, err := logo.read(file)
	if err != nil {
		return Image{}, err
	}
	var data bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&data, pixels); err != nil {
		return Image{}, fmt.Errorf("writing a PNG: %w", err)
	}
	return made(data.Bytes(), "image/png", pixels), nil
}

// Background makes a JPEG of a file that is a PNG or JPEG of at most MaxBackgroundBytes, and MaxBackgroundSide both wide and high. Its
// longer side has at most MaxLongSide pixels, and what was transparent is white. Errors are as Logo's.
//
// It takes a second or two, and memory by what the file holds. A photo of 12 megapixels takes 80 MB, or 150 MB if it is progressive.
// BackgroundMemory is what the costliest file takes, a progressive JPEG of 16 megapixels in CMYK: the decoder keeps 4 bytes for each of
// its 64 million samples until it has the last. Nothing here holds callers back, so they must not come all at once: let those of a
// process in one after the other.
func Background(file []byte) (Image, error) {
	pixels, err := background.read(file)
	if err != nil {
		return Image{}, err
	}
	opaque := image.NewRGBA(pixels.Rect)
	draw.Draw(opaque, opaque.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(opaque, opaque.Rect, pixels, image.Point{}, draw.Over)
	var data bytes.Buffer
	if err := jpeg.Encode(&data, opaque, &jpeg.Options{Quality: 80}); err != nil {
		return Image{}, fmt.Errorf("writing a JPEG: %w", err)
	}
	return made(data.Bytes(), "image/jpeg", opaque), nil
}

func made(data []byte, mediaType string, pixels *image.RGBA) Image {
	hash := sha256.Sum256(data)
	return Image{data, mediaType, pixels.Rect.Dx(), pixels.Rect.Dy(), hex.EncodeToString(hash[:])}
}

// use is what an image is for.
type use struct {
	// name is the use with its article.
	name string
	// bytes and side limit the file, width and height what is made of it.
	bytes, side, width, height int
}

var (
	logo       = use{"a logo", MaxLogoBytes, MaxLogoSide, MaxLogoWidth, MaxLogoHeight}
	background = use{"a background image", MaxBackgroundBytes, MaxBackgroundSide, MaxLongSide, MaxLongSide}
)

// maxScans is how many passes over its pixels a JPEG may take. Progressive ones have ten or so. Without a limit a thousand passes
// fit in a kilobyte or three, and each goes through all there is in memory.
const maxScans = 32

// read gives the pixels of a file, the right way up and in the size that the use wants.
func (u use) read(file []byte) (*image.RGBA, error) {
	kind := formatOf(file)
	if kind != formatPNG && kind != formatJPEG {
		return nil, errors.New(refusal(kind))
	}
	if n := len(file); n > u.bytes {
		return nil, fmt.Errorf("the file has %d bytes, and %s has at most %d (%d KiB): make it smaller", n, u.name, u.bytes, u.bytes>>10)
	}
	decode, decodeConfig, turn := png.Decode, png.DecodeConfig, upright
	if kind == formatJPEG {
		decode, decodeConfig, turn = jpeg.Decode, jpeg.DecodeConfig, orientationOf(file)
		if n := scans(file); n > maxScans {
			return nil, fmt.Errorf("the JPEG is drawn in %d passes, and at most %d are taken: save it as an ordinary JPEG", n, maxScans)
		}
	}
	config, err := decodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, unreadable(kind, err)
	}
	width, height := config.Width, config.Height
	switch {
	case width < 1 || height < 1:
		return nil, unreadable(kind, errors.New("no pixels"))
	case width > u.side || height > u.side:
		return nil, fmt.Errorf("the image has %d × %d pixels, and %s has at most %d × %[4]d: make it smaller", width, height, u.name, u.side)
	}
	if err := implausible(file, kind, width, height); err != nil {
		return nil, unreadable(kind, err)
	}
	pixels, err := decode(bytes.NewReader(file))
	if err != nil {
		return nil, unreadable(kind, err)
	}
	if turn.swapsSides() {
		width, height = height, width
	}
	width, height = fit(width, height, u.width, u.height)
	if turn.swapsSides() {
		width, height = height, width
	}
	return turn.apply(scaled(pixels, width, height)), nil
}

// unreadable is what is said of a file that its decoder gave up.
func unreadable(kind format, err error) error {
	if _, is := errors.AsType[jpeg.UnsupportedError](err); is {
		return fmt.Errorf("the JPEG is of a rare kind (%w): save it as an ordinary JPEG", err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the %s is cut short: send the whole file", kind)
	}
	return fmt.Errorf("the %s is damaged or cut short (%w): save it anew", kind, err)
}

// fit is the largest size of the same proportions that is at most as large as given, and as the limits; a pixel in either direction
// at the least.
func fit(width, height, mostWide, mostHigh int) (int, int) {
	if width <= mostWide && height <= mostHigh {
		return width, height
	}
	// In whole numbers, rounded to the nearest, by the side that is the more too long.
	if width*mostHigh > height*mostWide {
		return mostWide, max(1, (height*mostWide+width/2)/width)
	}
	return max(1, (width*mostHigh+height/2)/height), mostHigh
}

// scaled is an image of a smaller size, or of the same. What is transparent has no colour in it.
//
// CatmullRom keeps 32 bytes for each pixel of the new width and the old height, which were 245 MB for the largest background. So the
// image is made narrower first and then lower, which is the same, and either in strips.
func scaled(from image.Image, width, height int) *image.RGBA {
	b := from.Bounds()
	if b.Dx() == width && b.Dy() == height {
		same := image.NewRGBA(image.Rect(0, 0, width, height))
		draw.Draw(same, same.Rect, from, b.Min, draw.Src)
		return same
	}
	const strip = 64
	rows := image.NewRGBA(image.Rect(0, 0, b.Dx(), strip))
	narrow := image.NewRGBA(image.Rect(0, 0, width, b.Dy()))
	scaler := draw.CatmullRom.NewScaler(width, strip, b.Dx(), strip)
	for y := 0; y < b.Dy(); y += strip {
		to := image.Rect(0, y, width, min(y+strip, b.Dy()))
		part := image.Rect(0, 0, b.Dx(), to.Dy())
		draw.Draw(rows, part, from, b.Min.Add(image.Pt(0, y)), draw.Src)
		scaler.Scale(narrow, to, rows, part, draw.Src, nil)
	}
	low := image.NewRGBA(image.Rect(0, 0, width, height))
	scaler = draw.CatmullRom.NewScaler(strip, height, strip, b.Dy())
	for x := 0; x < width; x += strip {
		end := min(x+strip, width)
		scaler.Scale(low, image.Rect(x, 0, end, height), narrow, image.Rect(x, 0, end, b.Dy()), draw.Src, nil)
	}
	return low
}
