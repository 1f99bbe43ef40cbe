package importer

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestScores(t *testing.T) {
	for text, want := range map[string]int{
		// Plain, and as programs write them.
		"0": 0, "9": 9, "10": 10, "9.0": 9, "9,0": 9, "9.0000": 9, "Promoter (9)": 9, "（10）とても": 10, "10.00": 10, "10,0": 10, "+3": 3, " 7 ": 7, "\u00a08\u202f": 8, "\ufeff9\u200b": 9,
		"９": 9, "１０": 10, "'9": 9, "' 9": 9, "=9": 9, `="9"`: 9, `="10"`: 10, "05": 5,
		// Digits of other scripts, and quotes that were quoted.
		"٩": 9, "۱۰": 10, "९": 9, "๗": 7, "𝟗": 9, "𝟙𝟘": 10, `"9"`: 9, `""9""`: 9, "“9”": 9, "„10“": 10, "'9'": 9, "« 8 »": 8, `"10 - Very likely"`: 10,
		// Of ten.
		"9/10": 9, "10/10": 10, "9 / 10": 9, "9.0/10": 9, "0/10": 0,
		"10 out of 10": 10, "0 von 10": 0, "7 sur 10": 7, "9 Out Of 10": 9, "8 de 10": 8,
		// Labels.
		"10 -> Extremely likely": 10, "0 => no": 0,
		"Extremely likely - 10": 10, "0 - Not at all likely": 0, "10 – très probable": 10, "10 (very likely)": 10, "10: sehr wahrscheinlich": 10,
		"Extremely likely (10)": 10, "Not at all likely [0]": 0, "(10) Extremely likely": 10, "[0] Pas du tout": 0, "10-Very likely": 10,
		"Likely-10": 10, "10. Very likely": 10, "10) Very likely": 10, "10 Very likely": 10, "Very likely 10": 10, "10=ja, sicher": 10,
		"10_sehr": 10, "muy probable: 10": 10, "9/10 - great": 9, "great (9/10)": 9, "10 — Молодцы": 10, "10\u975e\u5e38\u306b": 10, "\u975e\u5e3810": 10, "10점": 10,
		"10 😍": 10, "😡 0": 0, "10 - Très probable !": 10, "Recommend us? 10": 10, "0\tno": 0, "10.0 - yes": 10, "０ － いいえ": 0,
		"Score: 7": 7, "10, absolutely": 10,
	} {
		if got, err := parseScore(text); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for text, why := range map[string]scoreWhy{
		"": noScore, "nine": noScore, "Promoter": noScore, "9/10/2024": noScore,
		"9-10": noScore, "9 - 10": noScore, "0–6": noScore, "9 to 10": noScore, "Promoter (9-10)": noScore, "Detractors 0-6": noScore, "9-10 Promoter": noScore,
		"Promoter 9 to 10": noScore, "10 - 12 employees": noScore, "9 or more": noScore, "6 oder weniger": noScore, "more than 6": noScore, "at least 9": noScore,
		"v10": noScore, "Plan9": noScore, "9th": noScore, "10x": noScore, "B-9": noScore, "Q4": noScore, "9+": noScore, "<7": noScore,
		"Change -5": noScore, "11 out of 10": noScore, "> 9": noScore, "1 2 3": noScore, "7.5 - ok": noScore, "11 - wow": noScore, "ok 11": noScore, "0x5": noScore, "Inf": noScore,
		"10 - from 0 to 10": noScore, "(9 to 10)": noScore, "-": noScore, "=1+1": noScore, `="9`: noScore, "½": noScore, "10²": noScore,
		"★★★★★": otherScale, "★★★★☆": otherScale, "5★": otherScale, "9 stars": otherScale, "5 Sterne": otherScale, "4 étoiles": otherScale, "10/5": otherScale,
		"4/5": otherScale, "9/100": otherScale, "3,5/5": otherScale, "90%": otherScale, "9 %": otherScale, "87.5 %": otherScale, "10 out of 100": otherScale,
		"9 out of 5": otherScale, "4 of 5": otherScale, "9 von 11": otherScale, "٤/٥": otherScale,
		"10+": noScore, "Nine": noScore, "九": noScore, "⑨": noScore, "N.A.": noScore, "“9": noScore, `"9" or "8"`: noScore, "9 \"good\" 8": noScore, //nolint:gosmopolitan // people write so
		"7,5": noWhole, "8.7": noWhole, "2.5": noWhole, "-0.5": noWhole,
		"11": noAnswer, "-1": noAnswer, "65": noAnswer, "100": noAnswer, "1,000": noAnswer, "10.000": noAnswer, "1e3": noAnswer, "-4": noAnswer,
	} {
		got, err := parseScore(text)
		if fault, ok := errors.AsType[*scoreError](err); !ok || fault.why != why {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
}

func TestCategories(t *testing.T) {
	for _, text := range []string{"Promoter", "promoters", "Detractor", "PASSIVE", "Neutral", "Détracteur", "Passif", "Kritiker", "Promotor", "Detratores", "Promotores"} {
		if !isCategory(text) {
			t.Errorf("%s is no category", text)
		}
	}
	for _, text := range []string{"9", "Very likely", "", "Promoted"} {
		if isCategory(text) {
			t.Errorf("%s is a category", text)
		}
	}
}

// However a label is put together, its number is its score, and a second number makes it none.
func TestScoreOfAnyLabel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]string{"0", "1", "7", "10"}).Draw(t, "number")
		words := rapid.SampledFrom([]string{"Very likely", "pas du tout", "Sehr wahrscheinlich", "да"}).Draw(t, "words")
		between := rapid.SampledFrom([]string{" - ", " – ", ": ", " = ", " ", " — ", "\u00a0– "}).Draw(t, "between")
		label := n + between + words
		if rapid.Bool().Draw(t, "at the end") {
			label = words + between + n
		}
		got, err := parseScore(" " + label + "\u00a0")
		if want := atoi(n); err != nil || got != want {
			t.Fatalf("%q is %d, %v", label, got, err)
		}
		if second := label + " 3 x"; strings.HasPrefix(label, n) {
			if got, err := parseScore(second); err == nil {
				t.Fatalf("%q is %d", second, got)
			}
		}
	})
}

// FuzzScores reads anything as a score.
func FuzzScores(f *testing.F) {
	for _, seed := range []string{"9", "10 - Very likely", "Very likely (10)", "9/10", `="9"`, "' 9", "９", "9-10", "10\u975e", "\u00a0", "(", "[0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseScore(text)
		if err == nil && (got < 0 || got > 10) {
			t.Errorf("%q is %d", text, got)
		}
		if again, errAgain := parseScore("\u00a0" + text + " "); again != got || (errAgain == nil) != (err == nil) {
			t.Errorf("%q is %d (%v), and %d (%v) with blanks around", text, got, err, again, errAgain)
		}
	})
}
