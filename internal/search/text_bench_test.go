package search

import (
	"strings"
	"testing"
)

// texts are of all the kinds that take different times to fold, each of about 30 kB.
var texts = map[string]string{
	"ASCII":     strings.Repeat("The service was Great, really ", 1000),
	"quotes":    strings.Repeat(`""''`, 7500),
	"curly":     strings.Repeat("“”‘’", 2500),
	"Latin":     strings.Repeat("très bien, ça va déjà ", 1250),
	"Cyrillic":  strings.Repeat("Ж", 15000),
	"Greek":     strings.Repeat("Ωμέγα ", 2700),
	"CJK":       strings.Repeat("\u56de\u7ddaが\u9045い", 2000),
	"Hangul":    strings.Repeat("각값", 5000),
	"emoji":     strings.Repeat("👎🏽", 3750),
	"Hindi":     strings.Repeat("कि", 5000),
	"extended":  strings.Repeat("Ⴀ", 10000),
	"beyond":    strings.Repeat("𐐀", 7500),
	"Kelvin":    strings.Repeat("\u212a", 10000),
	"U+0958":    strings.Repeat("\u0958", 10000),
	"marks":     strings.Repeat("a\u0323\u0302", 6000),
	"reordered": strings.Repeat("a\u0302\u0323\u0304\u0331", 3300),
	"NFD":       strings.Repeat("e\u0301", 10000),
	"jamo":      strings.Repeat("\u1100\u1161\u11a8", 3300),
	"U+F900":    strings.Repeat("\uf900", 10000),
	"U+1D160":   strings.Repeat("\U0001d160", 7500),
	"U+1D15E":   strings.Repeat("\U0001d1bb\U0001d15e", 3700),
	"U+0390":    strings.Repeat("\u03b9\u0308\u0301", 5000),
	"ancient":   strings.Repeat("\u1f83\u0345", 6000),
	"nonstart":  strings.Repeat("\u0301", 15000),
	"invalid":   strings.Repeat("\xff", 30000),
	"mixed":     strings.Repeat("a\u0958", 7500),
	"Bengali":   strings.Repeat("\u0986\u09ae\u09be\u09b0 \u09b8\u09b0\u09cd\u09ac\u09a8\u09be\u09ae\u09df ", 1000),
}

func BenchmarkFolded(b *testing.B) {
	for name, text := range texts {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Folded(text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(text)), "ns/byte")
		})
	}
}

func BenchmarkHolds(b *testing.B) {
	for name, c := range map[string]struct{ text, term string }{
		"within":   {"b" + strings.Repeat("a", 30_000), "a"},
		"twos":     {"b" + strings.Repeat("a", 30_000), "aa"},
		"long":     {strings.Repeat("a", 30_000), strings.Repeat("a", 60) + "b"},
		"longer":   {strings.Repeat("a", 30_000), strings.Repeat("a", 100) + "b"},
		"longest":  {strings.Repeat("a", 30_000), "b" + strings.Repeat("a", 198)},
		"middle":   {strings.Repeat("aaaaaaab", 3_750), "aaaaaaaaaaaab"},
		"words":    {strings.Repeat("ba ", 10_000), "a"},
		"pairs":    {strings.Repeat("ba", 15_000), "a"},
		"triples":  {strings.Repeat("bba ", 7_500), "ba"},
		"Cyrillic": {"b" + strings.Repeat("ж", 15_000), "ж"},
		"words Ж":  {strings.Repeat("bж ", 7_500), "ж"},
		"halves":   {strings.Repeat("жя", 7_500), "яя"},
		"Hangul":   {"b" + strings.Repeat("각", 10_000), "각"},
		"words 각":  {strings.Repeat("a각 ", 6_000), "각"},
		"beyond":   {"b" + strings.Repeat("𐐨", 7_500), "𐐨"},
		"words 𐐨":  {strings.Repeat("a𐐨 ", 5_000), "𐐨"},
		"CJK":      {strings.Repeat("\u56de\u56de\u7dda", 3_300), "\u56de\u7dda\u7dda"},
		"sentence": {texts["ASCII"], "slow"},
		"quotes":   {texts["quotes"], `""""'''`},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if Holds(c.text, c.term) {
					b.Fatal("it holds")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.text)), "ns/byte")
		})
	}
}
