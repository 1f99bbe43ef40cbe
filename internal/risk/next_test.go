package risk

import (
	"database/sql"
	"testing"
	"time"

	"github.com/google/uuid"
)

// What is to be done next, by how a tenant and its newest model stand.
func TestNext(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) sql.NullTime { return sql.NullTime{Time: now.Add(-d), Valid: true} }
	const hour, day = time.Hour, 24 * time.Hour
	for _, test := range []struct {
		name   string
		change func(*standing)
		want   task
	}{
		{"all is done", func(*standing) {}, nothing},
		{"there is none, and too little to learn from", func(s *standing) { *s = standing{position: 499} }, nothing},
		{"there is none, and enough", func(s *standing) { *s = standing{position: 500} }, learning},
		{"there is none, and a rebuild", func(s *standing) { *s = standing{position: 5_000, building: true} }, nothing},
		{"a twentieth more", func(s *standing) { s.position += 500 }, learning},
		{"hardly a twentieth more", func(s *standing) { s.position += 499 }, nothing},
		{"a twentieth more of little", func(s *standing) { s.ofPosition, s.position = 600, 699 }, nothing},
		{"a hundred more of little", func(s *standing) { s.ofPosition, s.position = 600, 700 }, learning},
		{"much more, just after it was learned", func(s *standing) { s.position *= 2; s.learnedAt = now.Add(-9 * time.Minute) }, nothing},
		{"a rebuild", func(s *standing) { s.position *= 2; s.building = true }, nothing},
		{"something more in a week", func(s *standing) { s.position++; s.learnedAt = now.Add(-7 * day) }, learning},
		{"nothing more in a year", func(s *standing) { s.learnedAt = now.Add(-365 * day) }, nothing},
		{"the log of a backup, in a week", func(s *standing) { s.position -= 900; s.learnedAt = now.Add(-8 * day) }, learning},
		{"other dimensions", func(s *standing) { s.cube++; s.learnedAt = now }, learning},
		{"contacts that are not gone through", func(s *standing) { s.passedAt = sql.NullTime{} }, scoring},
		{"new contacts", func(s *standing) { s.fresh = true }, scoring},
		{"new contacts, and models to forget", func(s *standing) { s.fresh, s.stale.Valid = true, true }, scoring},
		{"models to forget", func(s *standing) { s.stale.Valid = true }, sweeping},
		{"new contacts, and nothing that foretells", func(s *standing) { s.fresh, s.is = true, false }, nothing},
		{"nothing that foretells, and models to forget", func(s *standing) { s.is, s.stale.Valid = false, true }, sweeping},
		{"a change in a day", func(s *standing) { s.passedAt = ago(day); s.revision++ }, passing},
		{"a change in less", func(s *standing) { s.passedAt = ago(23 * hour); s.revision++ }, nothing},
		{"no change in a day", func(s *standing) { s.passedAt = ago(40 * day) }, nothing},
		{"no change in a day, and dates", func(s *standing) { s.passedAt = ago(day); s.dated = true }, passing},
		{"a change in a day, and nothing that foretells", func(s *standing) { s.passedAt = ago(day); s.revision++; s.is = false }, nothing},
	} {
		s := &standing{
			position: 10_000, revision: 77, cube: 3, number: 5, learnedAt: now.Add(-hour), is: true, ofCube: 3, ofPosition: 10_000,
			passedAt: ago(hour), passedRevision: 77,
		}
		test.change(s)
		if got := s.next(now); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestSettled(t *testing.T) {
	now := time.UnixMilli(0x01a21e335eb9)
	for _, test := range []struct {
		last string
		now  time.Time
		want string
	}{
		{"00000000-0000-0000-0000-000000000000", now, "00000000-0000-0000-0000-000000000000"},
		{"01a21e2a-36f8-7fff-bfff-ffffffffffff", now, "01a21e2a-36f8-7fff-bfff-ffffffffffff"}, // ten minutes and a bit
		{"01a21e2a-36f9-7823-899f-950deec66158", now, "01a21e2a-36f9-0000-0000-000000000000"},
		{"ffffffff-ffff-ffff-ffff-ffffffffffff", now, "01a21e2a-36f9-0000-0000-000000000000"},
		{"01a21e2a-36f9-7823-899f-950deec66158", time.Time{}, "00000000-0000-0000-0000-000000000000"},
	} {
		if got := settled(uuid.MustParse(test.last), test.now, late).String(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.last, got, test.want)
		}
	}
}
