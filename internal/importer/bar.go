package importer

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Bar shows on w how far an import is, of total bytes: update with the bytes that are done, and finish when the import
// has ended, at whatever point.
func Bar(w io.Writer, total int64) (update func(bytes int64), finish func()) {
	total = max(total, 1)
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription("importing"),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
	)
	// A terminal that cannot be written to is no reason to end an import.
	return func(bytes int64) { _ = bar.Set64(min(bytes, total)) },
		func() {
			_ = bar.Exit()
			fmt.Fprintln(w)
		}
}
