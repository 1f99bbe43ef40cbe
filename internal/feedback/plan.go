package feedback

import (
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/trait"
)

// operation is one thing to be done in a flush, and what became of it. It is refused by itself, never its batch.
type operation struct {
	// One of these is set; campaign and target are ids that go with them.
	record *Recording
	amend  *Amendment
	upsert *contact.Input
	delete bool
	erase  bool

	campaign, target uuid.UUID
	// narrowing is what the caller is narrowed to.
	narrowing auth.Narrowing
	// blind says that the caller may not read: it must not learn who or what is known.
	blind bool

	outcome
}

// allowed reports whether the caller may have this done. Responses can be recorded in a campaign, but not in a segment.
func (op *operation) allowed() bool {
	return op.narrowing.IsZero() || op.record != nil && op.narrowing.Segment == uuid.Nil
}

type outcome struct {
	errs     apierror.UserErrors
	response *ent.Response
	contact  *ent.Contact
	// replayed says that the idempotency key had been used before.
	replayed bool
	// amended says that what the idempotency key had named was completed.
	amended bool
	erased  int
	// more says that the person has answered more than one flush erases, and is still there.
	more bool
}

// needs is what a flush has to read before it can plan.
type needs struct {
	externalIDs, emails []string
	keys                [][sha256.Size]byte
	contacts, responses []uuid.UUID
	// answered are contacts whose responses are needed, as many as one flush erases.
	answered []uuid.UUID
}

func needsOf(ops []*operation) needs {
	var n needs
	person := func(in *contact.Input) {
		if in == nil {
			return
		}
		if in.ExternalID != nil {
			n.externalIDs = append(n.externalIDs, *in.ExternalID)
		}
		if in.Email != nil {
			n.emails = append(n.emails, contact.EmailKey(*in.Email))
		}
	}
	for _, op := range ops {
		switch {
		case op.record != nil:
			person(op.record.Contact)
			if i := op.record.Invited; i != nil && i.Contact != uuid.Nil {
				n.contacts = append(n.contacts, i.Contact)
			}
			if op.record.IdempotencyKey != nil {
				n.keys = append(n.keys, name(*op.record.IdempotencyKey))
			}
		case op.upsert != nil:
			person(op.upsert)
		case op.erase:
			n.contacts = append(n.contacts, op.target)
			n.answered = append(n.answered, op.target)
		default:
			n.responses = append(n.responses, op.target)
		}
	}
	return n
}

// found is what was read.
type found struct {
	contacts  []*ent.Contact
	responses []*ent.Response
	keys      []namedKey
	// more are contacts that have answered more than was read.
	more map[uuid.UUID]bool
}

// namedKey is what an idempotency key named. The response is nil once it is deleted.
type namedKey struct {
	key      [sha256.Size]byte
	response uuid.UUID
	// content is that of the recording, and of each that completed it, in their order.
	content []content
	is      *ent.Response
}

// plan is what a flush writes.
type plan struct {
	newContacts, changedContacts []*ent.Contact
	goneContacts                 []uuid.UUID
	// goneRecipients are contact.Recipient of those who are erased: links of theirs may have been opened before anybody knew them.
	goneRecipients                 [][]byte
	newResponses, changedResponses []*ent.Response
	goneResponses                  []uuid.UUID
	newKeys, changedKeys           []*namedKey
	tombstones                     []*Tombstone
	// answered are the invitations that new responses answer. Those of contacts and responses that are gone are found by these.
	answered []answeredInvitation
	// events are in order; their positions are not known yet.
	events []Event
	// after has what every event's response is after the flush.
	after  map[uuid.UUID]*answer
	change cube.Change
	// forgets says that something is deleted or replaced that must not stay behind.
	forgets bool
}

// answeredInvitation is an invitation, and the response that answers it; nil where that is gone already.
type answeredInvitation struct {
	invitation uuid.UUID
	response   *uuid.UUID
}

// entries are the plan's events as they stand in the log after the position base.
func (p *plan) entries(base, settings int64) []*Entry {
	gone := make(map[uuid.UUID]*Tombstone, len(p.tombstones))
	for _, t := range p.tombstones {
		gone[t.Response] = t
	}
	entries := make([]*Entry, len(p.events))
	for i, e := range p.events {
		e.Position = base + int64(i) + 1
		// The callers get the planner's own responses, and may change them.
		e.Score, e.PreviousScore = own(e.Score), own(e.PreviousScore)
		entries[i] = &Entry{Event: e, Gone: gone[e.Response], Settings: settings}
		if entries[i].Gone == nil {
			entries[i].Response = own(p.after[e.Response].Response)
		}
	}
	return entries
}

// own is a copy, nil of nil.
func own[T any](v *T) *T {
	if v == nil {
		return nil
	}
	copied := *v
	return &copied
}

func (p *plan) empty() bool {
	return len(p.newContacts)+len(p.changedContacts)+len(p.goneContacts)+len(p.goneRecipients)+len(p.changedResponses)+len(p.events)+len(p.newKeys)+len(p.changedKeys) == 0
}

// person and answer are a contact and a response while a flush is planned.
type person struct {
	*ent.Contact
	stored, changed, gone bool
}

type answer struct {
	*ent.Response
	stored, changed, gone bool
}

// usedKey is an idempotency key while a flush is planned.
type usedKey struct {
	namedKey
	stored, changed bool
}

// planner applies operations, one after the other, to what was read. It writes nothing: the database's part of a
// flush knows no rules.
type planner struct {
	state *settings.State
	now   time.Time

	people     map[uuid.UUID]*person
	byExternal map[string]*person
	byEmail    map[string]*person
	answers    map[uuid.UUID]*answer
	keys       map[[sha256.Size]byte]*usedKey

	// In the order in which they came up.
	touchedPeople  []*person
	touchedAnswers []*answer
	touchedKeys    []*usedKey
	tombstones     []*Tombstone
	answered       []answeredInvitation
	events         []Event
	deltas         cube.Deltas
	forgets        bool
}

// planFlush plans the operations and notes what becomes of each. The state's dictionaries of profiles grow; whoever
// does not carry the plan out has to truncate them again.
func planFlush(state *settings.State, read found, ops []*operation, now time.Time) plan {
	p := &planner{
		state: state, now: now,
		people:     make(map[uuid.UUID]*person, len(read.contacts)),
		byExternal: make(map[string]*person, len(read.contacts)),
		byEmail:    make(map[string]*person, len(read.contacts)),
		answers:    make(map[uuid.UUID]*answer, len(read.responses)),
		keys:       make(map[[sha256.Size]byte]*usedKey, len(read.keys)),
		deltas:     cube.Deltas{},
	}
	for _, c := range read.contacts {
		if p.people[c.ID] == nil {
			p.know(&person{Contact: c, stored: true})
		}
	}
	for _, r := range read.responses {
		if p.answers[r.ID] == nil {
			p.answers[r.ID] = &answer{Response: r, stored: true}
		}
	}
	for _, k := range read.keys {
		p.keys[k.key] = &usedKey{namedKey: k, stored: true}
	}
	var known []int
	for _, g := range state.All() {
		known = append(known, g.Profiles.Len())
	}
	for _, op := range ops {
		op.outcome = outcome{} // a flush may be planned again
		switch {
		case op.record != nil:
			p.record(op)
		case op.amend != nil:
			p.amend(op)
		case op.upsert != nil:
			p.upsert(op)
		case op.erase:
			p.erase(op, read.more[op.target])
		case op.delete:
			p.delete(op)
		}
	}
	var grown []cube.Grown
	for i, g := range state.All() {
		grown = append(grown, g.Since(known[i])...)
	}
	return p.plan(grown)
}

// names are all that links may call somebody.
func names(c *ent.Contact) (all []string) {
	if c.ExternalID != nil {
		all = append(all, contact.NameOf(*c.ExternalID, ""))
	}
	if c.EmailKey != nil {
		all = append(all, contact.NameOf("", *c.EmailKey))
	}
	return all
}

func (p *planner) plan(grown []cube.Grown) plan {
	out := plan{tombstones: p.tombstones, events: p.events, after: p.answers, change: cube.Change{Deltas: p.deltas, Grown: grown}, forgets: p.forgets}
	for _, c := range p.touchedPeople {
		if c.gone {
			for _, name := range names(c.Contact) {
				recipient := contact.Recipient(p.state.Tenant, name)
				out.goneRecipients = append(out.goneRecipients, recipient[:])
			}
		}
		switch {
		case c.gone && c.stored:
			out.goneContacts = append(out.goneContacts, c.ID)
		case c.gone:
		case c.stored:
			out.changedContacts = append(out.changedContacts, c.Contact)
		default:
			out.newContacts = append(out.newContacts, c.Contact)
		}
	}
	for i, a := range p.answered {
		if slices.ContainsFunc(p.answered[i+1:], func(b answeredInvitation) bool { return a.invitation == b.invitation }) {
			continue // its response is gone, and there is another
		}
		if p.answers[*a.response].gone {
			a.response = nil
		}
		out.answered = append(out.answered, a)
	}
	for _, k := range p.touchedKeys {
		if k.stored {
			out.changedKeys = append(out.changedKeys, &k.namedKey)
		} else {
			out.newKeys = append(out.newKeys, &k.namedKey)
		}
	}
	for _, a := range p.touchedAnswers {
		switch {
		case a.gone && a.stored:
			out.goneResponses = append(out.goneResponses, a.ID)
		case a.gone:
		case a.stored:
			out.changedResponses = append(out.changedResponses, a.Response)
		default:
			out.newResponses = append(out.newResponses, a.Response)
		}
	}
	return out
}

func (p *planner) know(c *person) {
	p.people[c.ID] = c
	if c.ExternalID != nil {
		p.byExternal[*c.ExternalID] = c
	}
	if c.EmailKey != nil {
		p.byEmail[*c.EmailKey] = c
	}
}

func (p *planner) forget(c *person) {
	delete(p.people, c.ID)
	if c.ExternalID != nil {
		delete(p.byExternal, *c.ExternalID)
	}
	if c.EmailKey != nil {
		delete(p.byEmail, *c.EmailKey)
	}
}

// meet finds the person that an input means, nil where it is a new one, and says what is wrong with what it brings.
// Who may not read must not learn who is known: for them the input that is returned lacks what would tell.
func (p *planner) meet(op *operation, in *contact.Input) (*person, *contact.Input, apierror.UserErrors) {
	c, errs := p.find(in)
	if op.blind && errs != nil {
		left := *in
		left.Email = nil
		in, c, errs = &left, p.byExternal[*in.ExternalID], nil
	}
	if op.blind && c != nil {
		in = withoutKnown(c.Contact, in)
	}
	errs = append(errs, p.checkTraits(in.Traits)...)
	switch {
	case errs != nil || c == nil || len(c.Traits)+len(in.Traits) <= trait.MaxKeys || len(trait.Merge(c.Traits, in.Traits)) <= trait.MaxKeys:
	case op.blind:
		left := *in
		left.Traits = trait.Fit(c.Traits, in.Traits)
		in = &left
	default:
		errs = tooMany()
	}
	return c, in, errs
}

// withoutKnown is an input without what the contact has already of who they are, and without all by which they are written to. Who may not read may
// add the rest: by a token from the source of a page they could else have somebody else's mails, with their name and their traits, sent to an
// address of their own.
func withoutKnown(c *ent.Contact, in *contact.Input) *contact.Input {
	left := *in
	left.Email, left.Phone = nil, nil
	for _, of := range []struct {
		known *string
		given **string
	}{{c.Name, &left.Name}, {c.Locale, &left.Locale}, {c.TimeZone, &left.TimeZone}} {
		if of.known != nil {
			*of.given = nil
		}
	}
	return &left
}

// find finds the person that an input means, nil where it is a new one. There is an error only with an external id.
func (p *planner) find(in *contact.Input) (*person, apierror.UserErrors) {
	var c, holder *person
	if in.ExternalID != nil {
		c = p.byExternal[*in.ExternalID]
	}
	if in.Email != nil {
		holder = p.byEmail[contact.EmailKey(*in.Email)]
	}
	if holder == nil || holder == c {
		return c, nil
	}
	if c == nil && (in.ExternalID == nil || holder.ExternalID == nil) {
		return holder, nil
	}
	return nil, apierror.User(apierror.Taken, []string{"email"},
		"The address belongs to another contact, with another externalId.")
}

// bring makes the person or brings it up to date. Its input is known to be good.
func (p *planner) bring(c *person, in *contact.Input) *person {
	if c == nil {
		c = &person{Contact: contact.New(in, p.now), changed: true}
		p.touchedPeople = append(p.touchedPeople, c)
		p.know(c)
		return c
	}
	// What was handed to a caller, or is cached, must not change under it.
	updated := *c.Contact
	if !contact.Update(&updated, in, p.now) {
		return c
	}
	p.forgets = p.forgets || contact.Loses(c.Contact, &updated)
	p.forget(c)
	c.Contact = &updated
	p.know(c)
	p.write(c)
	return c
}

// write makes the person one that will be written.
func (p *planner) write(c *person) {
	if !c.changed {
		c.changed = true
		p.touchedPeople = append(p.touchedPeople, c)
	}
}

// checkTraits checks kinds, and that there are no more than a person may have.
func (p *planner) checkTraits(in trait.Values) apierror.UserErrors {
	errs := trait.Check(p.state.Traits, in).Under("traits")
	if len(in) > trait.MaxKeys && len(trait.Merge(nil, in)) > trait.MaxKeys {
		errs = append(errs, tooMany()...)
	}
	return errs
}

func tooMany() apierror.UserErrors {
	return apierror.User(apierror.TooMany, []string{"traits"}, "At most %d traits a person.", trait.MaxKeys)
}

func (p *planner) record(op *operation) {
	in := op.record
	campaign, ok := p.state.Campaigns[op.campaign]
	if !ok || !op.narrowing.Campaign(op.campaign) {
		// Nothing more is said: who may only record must not learn who is known.
		op.errs.Add(apierror.NotFound, []string{"campaign"}, "There is no campaign %s.", in.Campaign)
		return
	}
	var hash content
	if in.IdempotencyKey != nil {
		var err error
		if hash, err = in.content(); err != nil {
			op.errs = apierror.User(apierror.Invalid, []string{}, "The response cannot be encoded.")
			return
		}
		if k, used := p.keys[name(*in.IdempotencyKey)]; used {
			p.replay(op, k, hash)
			return
		}
	}
	if campaign.Status != "ACTIVE" {
		op.errs.Add(apierror.NotAllowed, []string{"campaign"}, "The campaign is %s and takes no responses.", campaign.Status)
		return
	}
	op.errs = append(op.errs, p.checkTraits(in.Traits)...)
	var c *person
	var brings *contact.Input
	if in.Contact != nil {
		var errs apierror.UserErrors
		c, brings, errs = p.meet(op, in.Contact)
		op.errs = append(op.errs, errs.Under("contact")...)
		if in.Known != uuid.Nil && (c == nil || c.ID != in.Known) {
			op.errs.Add(apierror.NotFound, []string{"contact"}, "The contact is gone.")
		}
	}
	if op.errs != nil {
		return
	}

	r := &ent.Response{
		ID: id.New(), TenantID: p.state.Tenant, CampaignID: op.campaign, Score: in.Score, Comment: own(text(in.Comment)),
		Channel: in.Channel, Variant: own(text(in.Variant)), Locale: own(in.Locale),
		RespondedAt: p.now, RecordedAt: p.now, UpdatedAt: p.now, Unverified: in.Unverified && in.Contact != nil,
	}
	if in.RespondedAt != nil {
		r.RespondedAt = in.RespondedAt.UTC().Truncate(time.Microsecond)
	}
	var known trait.Values
	if in.Contact != nil {
		if c == nil || !in.Unverified {
			c = p.bring(c, brings)
		}
		r.ContactID, known = &c.ID, trait.Merge(c.Traits, in.Contact.Traits) // with those that did not fit
	}
	said := in.Traits
	if i := in.Invited; i != nil {
		p.answered = append(p.answered, answeredInvitation{i.Invitation, &r.ID})
		if c := p.people[i.Contact]; c != nil {
			r.ContactID, known = &c.ID, c.Traits
		} else if i.Contact != uuid.Nil {
			said = nil
		}
	}
	r.Traits = trait.Merge(known, said)
	a := &answer{Response: r, changed: true}
	p.answers[r.ID] = a
	p.touchedAnswers = append(p.touchedAnswers, a)
	p.count(r, 1)
	p.event(Recorded, r, nil)
	if in.IdempotencyKey != nil {
		k := &usedKey{namedKey: namedKey{key: name(*in.IdempotencyKey), response: r.ID, content: []content{hash}, is: r}, changed: true}
		p.keys[k.key] = k
		p.touchedKeys = append(p.touchedKeys, k)
	}
	op.response = r
}

// replay gives the first answer again, or completes it. Whoever has the key and knows all that was sent with it may do
// that: the key is what tells one response from another, and a page's token may have been renewed in between.
func (p *planner) replay(op *operation, k *usedKey, said content) {
	conflict := func(why string) {
		op.errs = apierror.User(apierror.Conflict, []string{"idempotencyKey"}, "The key was used before, for %s.", why)
	}
	a := p.answers[k.response]
	if a == nil && k.is != nil {
		a = &answer{Response: k.is, stored: true}
		p.answers[k.response] = a
	}
	var lacks lacking
	known := slices.Contains(k.content, said)
	if !known {
		less, err := op.record.lacking()
		if err != nil {
			op.errs = apierror.User(apierror.Invalid, []string{}, "The response cannot be encoded.")
			return
		}
		i := slices.IndexFunc(less, func(l lacking) bool {
			at := slices.Index(k.content, l.content)
			return at >= 0 && (at == len(k.content)-1 || !l.comment && !l.traits)
		})
		if i < 0 {
			conflict("other content")
			return
		}
		lacks = less[i]
	}
	switch {
	case a == nil || a.gone:
		conflict("a response that was deleted")
		return
	case lacks.comment || lacks.traits:
		if why := p.complete(op, a, lacks); why != "" {
			conflict(why)
		}
		if op.errs != nil {
			return
		}
		k.content = append(slices.Clip(k.content), said)
		if !k.changed {
			k.changed = true
			p.touchedKeys = append(p.touchedKeys, k)
		}
	}
	op.response, op.replayed = a.Response, true
	if op.blind {
		op.response = asSent(a.Response, op)
	}
}

// complete adds what the answer lacks of the recording, or says why not.
func (p *planner) complete(op *operation, a *answer, lacks lacking) (why string) {
	in, before := op.record, a.Response
	switch {
	case p.now.Sub(before.RecordedAt) > CompletableFor:
		return "a response that was recorded more than 24 hours ago: it can no longer be completed"
	case in.Contact != nil && before.ContactID == nil && !op.blind:
		return "a response of somebody who was erased since"
	case in.Contact != nil && before.ContactID == nil, lacks.comment && before.Comment != nil:
		return "other content"
	}
	if op.errs = append(op.errs, p.checkTraits(in.Traits)...); op.errs != nil {
		return ""
	}
	p.touch(a)
	if lacks.comment {
		a.Comment = own(in.Comment)
	}
	if lacks.traits {
		a.Traits = trait.Merge(before.Traits, in.Traits)
		p.count(before, -1)
		p.count(a.Response, 1)
	}
	p.event(Amended, a.Response, nil)
	op.amended = true
	return ""
}

// asSent is the response with what its sender knows of it already: one that may not read must not learn from it whether
// somebody has amended it, or erased the person.
func asSent(r *ent.Response, op *operation) *ent.Response {
	sent := *r
	sent.Score, sent.Comment, sent.Locale = op.record.Score, own(text(op.record.Comment)), own(op.record.Locale)
	if !op.amended {
		sent.UpdatedAt = r.RecordedAt
	}
	return &sent
}

func (p *planner) upsert(op *operation) {
	c, in, errs := p.meet(op, op.upsert)
	op.errs = errs
	if errs != nil {
		return
	}
	c = p.bring(c, in)
	op.contact = c.Contact
	if op.blind {
		p.write(c) // as it is: nothing written is answered sooner, and would tell who is known
		op.contact = &ent.Contact{ID: contact.Alias(p.state.Tenant, op.upsert), TenantID: p.state.Tenant}
	}
}

// touch makes the answer one that will be written, with a copy of the response that may be changed.
func (p *planner) touch(a *answer) {
	copied := *a.Response
	a.Response = &copied
	a.UpdatedAt = p.now
	p.rewrite(a)
}

// rewrite makes the answer one that will be written.
func (p *planner) rewrite(a *answer) {
	if !a.changed {
		a.changed = true
		p.touchedAnswers = append(p.touchedAnswers, a)
	}
}

func (p *planner) answer(op *operation) *answer {
	a := p.answers[op.target]
	if a == nil || a.gone {
		op.errs = apierror.User(apierror.NotFound, []string{"id"}, "There is no response %s.", id.Response.Format(op.target))
		return nil
	}
	return a
}

func (p *planner) amend(op *operation) {
	a := p.answer(op)
	if a == nil {
		return
	}
	before := a.Response
	if status := p.state.Campaigns[before.CampaignID].Status; op.amend.WhileActive && status != "ACTIVE" {
		op.errs.Add(apierror.NotAllowed, []string{"id"}, "The campaign is %s and takes no responses.", status)
		return
	}
	score, comment := before.Score, before.Comment
	if op.amend.Score != nil {
		score = *op.amend.Score
	}
	if op.amend.Comment != nil {
		comment = own(text(op.amend.Comment))
	}
	if score != before.Score || !equal(comment, before.Comment) {
		p.touch(a)
		p.forgets = p.forgets || before.Comment != nil && !equal(comment, before.Comment)
		a.Score, a.Comment = score, comment
		var previous *int
		if score != before.Score {
			previous = &before.Score
			p.count(before, -1)
			p.count(a.Response, 1)
		}
		p.event(Amended, a.Response, previous)
	} else if op.amend.WhileActive {
		p.rewrite(a) // as it is: nothing written is answered sooner, and would tell whoever answers in somebody's name what they have said
	}
	op.response = a.Response
}

func equal(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

func (p *planner) delete(op *operation) {
	a := p.answer(op)
	if a == nil {
		return
	}
	p.touch(a)
	a.gone, p.forgets = true, true
	p.count(a.Response, -1)
	p.tombstones = append(p.tombstones, tombstone(p.state.Active, a.Response))
	p.event(Deleted, a.Response, &a.Score)
	op.response = a.Response
}

func tombstone(g *cube.Generation, r *ent.Response) *Tombstone {
	p := g.Placed(Fact(r))
	t := &Tombstone{
		Response: r.ID, Campaign: r.CampaignID, Score: r.Score, Channel: string(r.Channel),
		Values: make(map[string]string, len(g.Shape.Dimensions)), RespondedAt: r.RespondedAt,
	}
	if p.Variant != trait.None {
		t.Variant = &p.Variant
	}
	for i, d := range g.Shape.Dimensions {
		t.Values[d.Key] = p.Values[i]
	}
	return t
}

// erase forgets a person. What was answered keeps its score, and goes to the profile of whom nothing is known. Where more
// was answered the person stays for now.
func (p *planner) erase(op *operation, more bool) {
	c := p.people[op.target]
	if c == nil {
		op.errs = apierror.User(apierror.NotFound, []string{"id"}, "There is no contact %s.", id.Contact.Format(op.target))
		return
	}
	for a := range maps.Values(p.answers) {
		if a.gone || a.ContactID == nil || *a.ContactID != c.ID {
			continue
		}
		before := a.Response
		p.forgets = true // also where nothing more comes of erasing the rest
		p.touch(a)
		a.ContactID, a.Comment, a.Locale, a.Traits = nil, nil, nil, trait.Values{}
		p.count(before, -1)
		p.count(a.Response, 1)
		p.event(Amended, a.Response, nil)
		op.erased++
	}
	if op.more = more; more {
		return
	}
	p.forget(c)
	c.gone, p.forgets = true, true
	p.write(c)
}

// count adds the response n times in every generation that has taken it in, or is about to.
func (p *planner) count(r *ent.Response, n int64) {
	for _, g := range p.state.All() {
		if g.Holds(r.ID) {
			p.deltas.Count(g, Fact(r), n)
		}
	}
}

func (p *planner) event(kind EventKind, r *ent.Response, previous *int) {
	e := Event{Kind: kind, At: p.now, Response: r.ID, Campaign: r.CampaignID, PreviousScore: previous}
	if kind != Deleted {
		e.Score = &r.Score
	}
	p.events = append(p.events, e)
}
