package trait

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of one cube.
const (
	// MaxValues is how many values one dimension keeps apart, None and Other not counted; and how many variants.
	MaxValues = 200
	// MaxProfiles is how many profiles are made freely. Once there are so many only those come in addition that new
	// combinations fall to: one a channel.
	MaxProfiles = 20_000
)

// Profile is one combination of dimension values, channel and variant: what cells are counted under.
type Profile struct {
	ID      int32
	Channel string
	// Variant is None where none was named.
	Variant string
	// Values are in the order of Shape.Dimensions. They must not be changed.
	Values []string
}

// Profiles is the dictionary of one cube in memory: all its profiles, numbered 1, 2, 3 …, and with them the values
// that it keeps apart. It only grows, and the values it knows are those in its profiles, so that what was placed once
// is placed the same for ever, after a restart too.
//
// It has no lock of its own. Its owner sees to it that nothing runs beside Place and Truncate; the other functions
// may run beside each other.
type Profiles struct {
	maxValues   int
	maxProfiles int
	all         []Profile
	// ids is by combination, as encoded by key.
	ids      map[string]int32
	variants dictionary
	values   []dictionary
	columns  columns
}

// dictionary holds the values that one dimension keeps apart.
type dictionary map[string]entry

type entry struct {
	// text is kept once for all profiles, and holds on to nothing larger.
	text string
	// first is the profile that the value came with.
	first int32
}

// NewProfiles makes the dictionary of a cube of this shape from its known profiles, in order of their ids.
// It fails where ids are not 1, 2, 3 …, where a profile has another number of values, and where two are equal: then
// what was read is not what was once written.
func NewProfiles(shape Shape, known []Profile) (*Profiles, error) {
	return newProfiles(len(shape.Dimensions), known, cmp.Or(shape.Limits.Values, MaxValues), cmp.Or(shape.Limits.Profiles, MaxProfiles))
}

func newProfiles(dimensions int, known []Profile, maxValues, maxProfiles int) (*Profiles, error) {
	p := &Profiles{
		maxValues:   maxValues,
		maxProfiles: maxProfiles,
		all:         make([]Profile, 0, len(known)),
		ids:         make(map[string]int32, len(known)),
		variants:    dictionary{},
		values:      make([]dictionary, dimensions),
	}
	for i := range p.values {
		p.values[i] = dictionary{}
	}
	if err := p.Append(known); err != nil {
		return nil, err
	}
	return p, nil
}

// Append adds profiles that were stored after those that it has, in order of their ids. It fails as NewProfiles does, and
// is of no more use then.
func (p *Profiles) Append(stored []Profile) error {
	for _, profile := range stored {
		if next := len(p.all) + 1; int(profile.ID) != next {
			return fmt.Errorf("profile %d is missing: found %d in its place", next, profile.ID)
		}
		if len(profile.Values) != len(p.values) {
			return fmt.Errorf("profile %d has %d values, want %d", profile.ID, len(profile.Values), len(p.values))
		}
		if id, taken := p.ids[string(key(nil, profile.Channel, profile.Variant, profile.Values))]; taken {
			return fmt.Errorf("profiles %d and %d are equal", id, profile.ID)
		}
		p.add(profile.Channel, profile.Variant, slices.Clone(profile.Values))
	}
	return nil
}

// Clone is a dictionary of the same profiles that grows by itself. It takes a small part of what it takes to make one.
func (p *Profiles) Clone() *Profiles {
	c := &Profiles{
		maxValues: p.maxValues, maxProfiles: p.maxProfiles,
		all: p.All(), ids: maps.Clone(p.ids), variants: maps.Clone(p.variants), values: make([]dictionary, len(p.values)),
	}
	for i, d := range p.values {
		c.values[i] = maps.Clone(d)
	}
	return c
}

// Place finds the profile of a combination, or adds it and says so. Values beyond the limit of their dimension are
// placed as Other. Where there can be no more profiles, a new combination falls to the profile of its channel whose
// variant and values are all Other. An empty variant stands for None. There must be a value for each dimension.
func (p *Profiles) Place(channel, variant string, values []string) (profile Profile, added bool) {
	if profile, ok := p.Find(channel, variant, values); ok {
		return profile, false
	}
	covered := p.cover(channel, variant, values)
	return p.add(covered.Channel, covered.Variant, covered.Values), true
}

// Placed is what Place gives, and adds nothing: the profile has no id where it would be a new one.
func (p *Profiles) Placed(channel, variant string, values []string) Profile {
	if profile, ok := p.Find(channel, variant, values); ok {
		return profile
	}
	return p.cover(channel, variant, values)
}

// cover is the profile that a combination without one gets, without its id.
func (p *Profiles) cover(channel, variant string, values []string) Profile {
	profile := Profile{Channel: channel, Variant: Other, Values: make([]string, len(p.values))}
	if len(p.all) >= p.maxProfiles {
		for i := range profile.Values {
			profile.Values[i] = Other
		}
		return profile
	}
	for i, value := range values {
		profile.Values[i] = p.values[i].cover(value, p.maxValues)
	}
	profile.Variant = p.coverVariant(variant)
	return profile
}

// Standing says what a name of a value stands for in the cube's cells.
type Standing int

// What a name may stand for. None and Other stand for themselves, and so are Apart.
const (
	// Unseen: nothing has the value, and what comes with it will be kept apart.
	Unseen Standing = iota
	// Apart: all that has the value is under its name.
	Apart
	// PartOfOther: what has the value is part of Other, and so nothing is under its name.
	PartOfOther
	// PartlyOther: there are as many profiles as there may be; what came since with the value in a new combination is
	// part of Other.
	PartlyOther
)

// Standing is that of a value of dimension i.
func (p *Profiles) Standing(i int, value string) Standing { return p.standing(p.values[i], value) }

// VariantStanding is that of a variant.
func (p *Profiles) VariantStanding(variant string) Standing { return p.standing(p.variants, variant) }

func (p *Profiles) standing(d dictionary, value string) Standing {
	_, known := d[value]
	switch {
	case value == None || value == Other:
		return Apart
	case known && len(p.all) >= p.maxProfiles:
		return PartlyOther
	case known:
		return Apart
	case d.cover(value, p.limit()) == Other:
		return PartOfOther
	}
	return Unseen
}

// Known are the values of dimension i that are kept apart, in no order.
func (p *Profiles) Known(i int) []string { return slices.Collect(maps.Keys(p.values[i])) }

// KnownVariants are the variants that are kept apart, in no order.
func (p *Profiles) KnownVariants() []string { return slices.Collect(maps.Keys(p.variants)) }

// Find is Place without adding: it finds the profile that the combination is placed in, where there is that profile.
// For whatever was placed before there is.
func (p *Profiles) Find(channel, variant string, values []string) (Profile, bool) {
	// Large enough for most combinations, which then cost no allocation.
	var room [512]byte
	buf := appendText(room[:0], channel)
	buf = appendText(buf, p.coverVariant(variant))
	for i, value := range values {
		buf = appendText(buf, p.values[i].cover(value, p.maxValues))
	}
	id, ok := p.ids[string(buf)]
	if !ok && len(p.all) >= p.maxProfiles {
		buf = appendText(room[:0], channel)
		for range len(p.values) + 1 {
			buf = appendText(buf, Other)
		}
		id, ok = p.ids[string(buf)]
	}
	if !ok {
		return Profile{}, false
	}
	return p.all[id-1], true
}

// add takes values over.
func (p *Profiles) add(channel, variant string, values []string) Profile {
	id := int32(len(p.all) + 1)
	for i, value := range values {
		values[i] = p.values[i].intern(value, id)
	}
	profile := Profile{ID: id, Channel: strings.Clone(channel), Variant: p.variants.intern(variant, id), Values: values}
	p.all = append(p.all, profile)
	p.ids[string(key(nil, channel, variant, values))] = id
	return profile
}

// Get is the profile with this id.
func (p *Profiles) Get(id int32) (Profile, bool) {
	if id < 1 || int(id) > len(p.all) {
		return Profile{}, false
	}
	return p.all[id-1], true
}

// Len is how many profiles there are; the newest has this id.
func (p *Profiles) Len() int { return len(p.all) }

// All are the profiles by ascending id. The slice stays as it is whatever becomes of p, and must not be changed.
func (p *Profiles) All() []Profile { return slices.Clip(p.all) }

// Truncate forgets the profiles with ids above n and the values that came with them, as if they had never been
// added: for a flush that failed.
func (p *Profiles) Truncate(n int) {
	for i := len(p.all); i > max(n, 0); i-- {
		profile := p.all[i-1]
		delete(p.ids, string(key(nil, profile.Channel, profile.Variant, profile.Values)))
		p.variants.forget(profile.Variant, profile.ID)
		for j, value := range profile.Values {
			p.values[j].forget(value, profile.ID)
		}
		// What is added next must not overwrite what All has handed out.
		p.all = p.all[: i-1 : i-1]
	}
	p.columns.mu.Lock()
	defer p.columns.mu.Unlock()
	clear(p.columns.by) // what is added next may be another of the same number
}

// Covers is what a new value of dimension i would be placed as: itself, or Other where the dimension is full and does
// not know it. (Where there can be no more profiles, a known value in a new combination is placed as Other
// nevertheless.)
func (p *Profiles) Covers(i int, value string) string {
	return p.values[i].cover(value, p.limit())
}

// CoversVariant is what a variant would be placed as, like Covers.
func (p *Profiles) CoversVariant(variant string) string {
	if variant == "" {
		return None
	}
	return p.variants.cover(variant, p.limit())
}

// VariantsFull reports whether a variant may be placed as Other.
func (p *Profiles) VariantsFull() bool { return len(p.variants) >= p.limit() }

// limit is how many values a dimension may have by now: where there are no more new profiles there are no new values.
func (p *Profiles) limit() int {
	if len(p.all) >= p.maxProfiles {
		return 0
	}
	return p.maxValues
}

func (p *Profiles) coverVariant(variant string) string {
	if variant == "" {
		return None
	}
	return p.variants.cover(variant, p.maxValues)
}

func (d dictionary) cover(value string, limit int) string {
	if value == None || value == Other || len(d) < limit {
		return value
	}
	if _, known := d[value]; known {
		return value
	}
	return Other
}

// intern gives the dictionary's own copy of value, which it takes in where it is new.
func (d dictionary) intern(value string, id int32) string {
	switch value {
	case None:
		return None
	case Other:
		return Other
	}
	known, ok := d[value]
	if !ok {
		known = entry{text: strings.Clone(value), first: id}
		d[known.text] = known
	}
	return known.text
}

func (d dictionary) forget(value string, id int32) {
	if known, ok := d[value]; ok && known.first == id {
		delete(d, value)
	}
}

// key encodes a combination, after buf, so that no two are encoded alike.
func key(buf []byte, channel, variant string, values []string) []byte {
	buf = appendText(buf, channel)
	buf = appendText(buf, variant)
	for _, value := range values {
		buf = appendText(buf, value)
	}
	return buf
}

func appendText(buf []byte, text string) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(text)))
	return append(buf, text...)
}
