package cube

import (
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/nps"
)

// rowsOf makes rows of any bytes: in order, and some of them empty.
func rowsOf(b []byte) (rows []row) {
	var last row
	for len(b) >= 4 {
		r := row{start: last.start, profile: last.profile + 1 + int32(b[0])<<(b[1]%16)}
		if b[1] >= 0xC0 || r.profile < 0 {
			r.start, r.profile = last.start+1+calendar.Day(b[1]&0x0F), int32(b[0])
		}
		n := b[2]
		b = b[3:]
		for ; n > 0 && len(b) >= 2; n /= 4 {
			r.counts[b[0]%(nps.MaxScore+1)] = uint32(b[1]) << (b[0] / 11 % 25)
			b = b[2:]
		}
		rows = append(rows, r)
		last = r
	}
	return rows
}

func unpack(sections []section) (rows []row) {
	for _, s := range sections {
		rows = s.rows(rows)
	}
	return rows
}

// What is packed comes out again, but for the cells that count nothing; and what has changed takes the place of what was.
func FuzzPacked(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte{1, 0, 1, 9, 1, 1, 0, 1, 10, 1}, []byte{1, 0, 1, 9, 0})
	f.Add([]byte{200, 15, 255, 3, 7, 120, 255, 9, 9, 10, 255, 1, 200, 1, 5, 9}, []byte{200, 15, 0, 0, 3, 0xC1, 5, 0, 1, 1, 1})
	f.Add(binary.BigEndian.AppendUint64(nil, 0x7F0F_FF0A_FF0A_0102), []byte{0x7F, 0x0F, 0, 0})
	f.Fuzz(func(t *testing.T, some, others []byte) {
		rows, changed := rowsOf(some), rowsOf(others)
		packed := pack(rows)
		full := func(rows []row) []row {
			return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.counts == counts{} })
		}
		if got, want := unpack(packed), full(rows); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		var total counts
		sum := nps.Histogram{}
		for _, r := range rows {
			for score, n := range r.counts {
				sum[score] += int64(n)
			}
		}
		for score, n := range sum {
			total[score] = uint32(n)
		}
		b := &bundle{sections: packed}
		if b.total() != total {
			t.Fatalf("a total of %v, want %v", b.total(), total)
		}
		cells := 0
		for _, s := range packed {
			cells += s.cells
			n := 0
			for u := (unpacking{data: s.data}); u.next(); n++ {
				u.skip()
			}
			if n != s.cells {
				t.Fatalf("skipped %d of %d", n, s.cells)
			}
		}
		if cells != len(full(rows)) {
			t.Fatalf("%d cells, want %d", cells, len(full(rows)))
		}

		by := map[[2]int32]row{}
		for _, r := range slices.Concat(rows, changed) {
			by[[2]int32{int32(r.start), r.profile}] = r
		}
		var want []row
		for _, r := range by {
			want = append(want, r)
		}
		slices.SortFunc(want, byPlace)
		merged := merge(packed, changed)
		if got := unpack(merged); !slices.Equal(got, full(want)) {
			t.Fatalf("merged %v, want %v", got, full(want))
		}
		if again := pack(want); !reflect.DeepEqual(again, merged) {
			t.Fatalf("merged and packed %v, want %v", merged, again)
		}
	})
}
