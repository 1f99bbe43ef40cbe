package feedback_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/invitation"
	contacts "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// invite makes an invitation of somebody.
func invite(f *feedbacktest.Fixture, db *store.DB, t *testing.T, campaign uuid.UUID, contact *uuid.UUID) (made *ent.Invitation) {
	t.Helper()
	err := db.Write(f.Ctx, func(tx *store.Tx) (err error) {
		made, err = tx.Ent.Invitation.Create().SetCampaignID(campaign).SetNillableContactID(contact).SetChannel(invitation.ChannelWIDGET).
			SetStatus(invitation.StatusSENT).SetLocale("en").SetTraits(trait.Values{"order": "7"}).SetVisitor([]byte("visitor")).SetDueAt(clock()).SetSentAt(clock()).Save(f.Ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// An invitation is answered exactly where there is a response to it, or was one, however answering, deleting and erasing fall together.
func TestInvitationsAndResponsesAgree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		log, err := feedback.NewLog(db, feedback.Config{Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		template := f.With(func(r *feedback.Recording) { r.Contact = nil })
		campaign, err := id.Campaign.Parse(template.Campaign)
		if err != nil {
			t.Fatal(err)
		}
		type one struct {
			person *ent.Contact
			made   *ent.Invitation
		}
		var all []one
		for n := range 40 {
			person := f.Upsert(contacts.Input{ExternalID: new(fmt.Sprint("person ", n)), Traits: trait.Values{"age": nil}})[0].Value
			all = append(all, one{person, invite(f, db, t, campaign, &person.ID)})
		}
		var wait sync.WaitGroup
		for n, o := range all {
			answer := func() {
				r := template
				r.Invited = &feedback.Invited{Invitation: o.made.ID, Contact: o.person.ID}
				r.Traits, r.IdempotencyKey = o.made.Traits, new(o.made.ID.String())
				out, err := log.Record(f.Ctx, []feedback.Recording{r})
				if err != nil || out[0].Errors != nil {
					t.Errorf("answering: %v, %v", err, out)
					return
				}
				if n%4 == 1 {
					if gone, err := log.Delete(f.Ctx, out[0].Value.NodeID()); err != nil || gone.Errors != nil {
						t.Errorf("deleting: %v, %v", err, gone.Errors)
					}
				}
			}
			wait.Go(answer)
			if n%2 == 0 {
				wait.Go(func() {
					if out, err := log.Erase(f.Ctx, o.person.NodeID()); err != nil || out.Errors != nil {
						t.Errorf("erasing: %v, %v", err, out.Errors)
					}
				})
			}
		}
		wait.Wait()
		for n, o := range all {
			is, err := db.Ent.Invitation.Get(f.Ctx, o.made.ID)
			if err != nil {
				t.Fatal(err)
			}
			if is.Status != invitation.StatusANSWERED || (is.ResponseID == nil) != (n%4 == 1) {
				t.Errorf("%d is %+v", n, is)
			}
			erased := n%2 == 0
			if (is.ContactID == nil) != erased || (is.Visitor == nil) != erased || (len(is.Traits) == 0) != erased {
				t.Errorf("erased: %t: it is %+v", erased, is)
			}
			if is.ResponseID == nil {
				continue
			}
			r, err := db.Ent.Response.Get(f.Ctx, *is.ResponseID)
			if err != nil || (r.ContactID == nil) != erased || (r.Traits["order"] == nil) != erased || r.Unverified {
				t.Errorf("erased: %t: the response is %+v (error: %v)", erased, r, err)
			}
		}
		sound(f)
	})
}
