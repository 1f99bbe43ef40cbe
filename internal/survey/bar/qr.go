package bar

import (
	"errors"
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

const (
	// quiet is how many modules around a QR code scanners need to be light (ISO/IEC 18004).
	quiet = 4
	// moduleSize is the side of a module in pixels, where the image is shown as large as it says.
	moduleSize = 8
)

// QR is the QR code of a text as an SVG image, black on white, with the quiet zone around it and error correction M, by which it can
// be read with about 15 % of it gone. The same text gives the same image. It is an error where there is no text, or more than fits: 2,331
// bytes always do.
func QR(text string) (svg string, err error) {
	if text == "" {
		return "", errors.New("making a QR code: there is no text for it")
	}
	mode := qr.Auto
	if strings.ContainsAny(text, "+-") {
		mode = qr.Unicode // Auto takes +12 for a number, and leaves the sign out
	}
	code, err := qr.Encode(text, qr.M, mode)
	if err != nil {
		// Its error holds all of the text, and so a link that is nobody's but its owner's.
		return "", fmt.Errorf("making a QR code: %d bytes of text are too many, 2,331 always fit", len(text))
	}
	bounds := code.Bounds()
	side := bounds.Dx() + 2*quiet
	var w strings.Builder
	fmt.Fprintf(&w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %[1]d" width="%d" height="%[2]d" role="img" `+
		`shape-rendering="crispEdges"><rect width="%[1]d" height="%[1]d" fill="#ffffff"/><path fill="#000000" d="`, side, side*moduleSize)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; {
			run := 0
			for x+run < bounds.Max.X && code.At(x+run, y) == color.Black {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&w, "M%d %dh%dv1h-%[3]dz", x-bounds.Min.X+quiet, y-bounds.Min.Y+quiet, run)
			}
			x += run + 1
		}
	}
	w.WriteString(`"/></svg>`)
	return w.String(), nil
}
