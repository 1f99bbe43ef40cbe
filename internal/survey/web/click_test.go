package web_test

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
)

// chrome is what a browser calls itself.
const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"

func (h *house) browse(path string) page { return h.get(path, "User-Agent", chrome) }

// automatic has clicks become answers by themselves.
func (h *house) automatic(t *testing.T) {
	t.Helper()
	if _, err := survey.Update(h.ctx, h.db, survey.UpdateInput{Campaign: h.campaign.NodeID(), ClickPolicy: new(survey.Automatic)}); err != nil {
		t.Fatal(err)
	}
}

// look sends what the page's script sends of itself once the page was visible for so long.
func (h *house) look(t *testing.T, p page, visible time.Duration, changes ...string) page {
	t.Helper()
	action, fields := p.form()
	sum := fnv.New32a()
	if _, err := fmt.Fprintf(sum, "%s.looked.%d", fields.Get("page"), visible.Milliseconds()); err != nil {
		t.Fatal(err)
	}
	fields.Set("looked", fmt.Sprintf("%d.%08x", visible.Milliseconds(), sum.Sum32()))
	for i := 0; i < len(changes); i += 2 {
		fields.Set(changes[i], changes[i+1])
	}
	return h.do(http.MethodPost, action, fields, "User-Agent", chrome)
}

func (h *house) sweep(t *testing.T, after time.Duration) {
	t.Helper()
	h.now.pass(after)
	if err := h.judge.Sweep(h.ctx); err != nil {
		t.Fatal(err)
	}
}

func (h *house) position(t *testing.T) int64 {
	t.Helper()
	row, err := h.db.Ent.Tenant.Get(h.ctx, auth.Tenant(h.ctx))
	if err != nil {
		t.Fatal(err)
	}
	return row.LogPosition
}

// What is opened is kept: of who is named, and of a bar's links; not of a page that anybody may open.
func TestOpened(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.browse(h.path())
		h.browse(h.path() + "?l=de")
		h.browse(h.path() + "/11")
		h.browse(h.path() + "/9?e=ada@x.example&preview=1")
		h.browse("/s/camp_x/9")
		h.browse(h.path() + "?l=de&e=") // whose address the provider did not fill in
		if rows := h.provisional(t); len(rows) != 0 {
			t.Fatalf("of nobody there are %v", rows)
		}
		h.browse(h.path() + "?e=ada@x.example")
		h.now.pass(time.Second)
		h.browse(h.path() + "/9?e=ADA@x.example&v=none")
		h.browse(h.path() + "/3")
		h.from = "192.0.2.77:1"
		h.browse(h.path() + "/4?e=*|URL:EMAIL|*")
		h.from = "198.51.100.1:1"
		h.browse(h.path() + "/all")
		rows := h.provisional(t)
		if len(rows) != 3 {
			t.Fatalf("there are %v", rows)
		}
		for _, r := range rows {
			switch {
			case r.Opens == 2 && r.FirstOpenedAt.Before(r.LastOpenedAt) && *r.Score == 9 && len(r.Signs) == 0: // Ada
			case r.Opens == 2 && r.Score != nil && len(r.Signs) == 0: // whoever is in one network with the same browser
			case r.Opens == 1 && r.Score == nil && slices.Equal(r.Signs, []string{"HIDDEN_LINK"}):
			default:
				t.Errorf("got %v", r)
			}
		}
	})
}

// Where the campaign says so, looking at the page counts after two minutes, once, and what the person says counts more.
func TestLooking(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.automatic(t)
		p := h.browse(h.path() + "/9?e=ada@x.example&v=x")
		if !strings.Contains(p.text, " data-looks>") {
			t.Fatalf("the page does not look: %s", p.text)
		}
		if without := h.browse(h.path() + "?e=ada@x.example"); strings.Contains(without.text, "data-looks") {
			t.Error("a page without a number looks")
		}
		h.now.pass(6 * time.Second)
		if sent := h.look(t, p, 5*time.Second); sent.status != http.StatusNoContent || sent.text != "" {
			t.Fatalf("got %d %s", sent.status, sent.text)
		}
		h.sweep(t, 2*time.Minute-time.Millisecond)
		if all := h.responses(t); len(all) != 0 {
			t.Fatalf("before two minutes there is %v", all)
		}
		h.sweep(t, time.Millisecond)
		all := h.responses(t)
		if len(all) != 1 || all[0].Score != 9 || !all[0].Unverified || all[0].Channel != "EMAIL" || *all[0].Locale != "en" || all[0].Comment != nil {
			t.Fatalf("got %v", all)
		}
		if rows := h.provisional(t); len(rows) != 0 {
			t.Errorf("there are still %v", rows)
		}
		h.sweep(t, time.Hour)
		// The same page, looked at again, and another one: there is an answer.
		for _, p := range []page{p, h.browse(h.path() + "/2?e=ada@x.example")} {
			if sent := h.look(t, p, 5*time.Second); sent.status != http.StatusNoContent && sent.status != http.StatusUnprocessableEntity {
				t.Errorf("got %d", sent.status)
			}
			h.now.pass(time.Minute)
		}
		h.sweep(t, time.Hour)
		if n := h.position(t); n != 1 {
			t.Errorf("the log has %d events", n)
		}
		// The person says something else.
		h.send(h.browse(h.path()+"/9?e=ada@x.example"), "score", "7", "comment", "Now I think")
		if all := h.responses(t); len(all) != 1 || all[0].Score != 7 || *all[0].Comment != "Now I think" {
			t.Errorf("got %v", all)
		}
	})
}

// Two who judge at the same time, and one who was killed before or after he had recorded: there is one answer.
func TestLookingIsCountedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.automatic(t)
		const people = 12
		for n := range people {
			h.from = fmt.Sprintf("192.0.2.%d:1", n)
			p := h.browse(fmt.Sprintf("%s/%d?c=%d", h.path(), n%11, n))
			h.now.pass(6 * time.Second)
			if sent := h.look(t, p, 5*time.Second); sent.status != http.StatusNoContent {
				t.Fatalf("got %d", sent.status)
			}
		}
		h.now.pass(3 * time.Minute)
		due, err := h.clicks.Due(h.ctx, h.now.time())
		if err != nil || len(due) != people {
			t.Fatalf("%d are due, %v", len(due), err)
		}
		book := survey.NewBook(db, h.now.time, nil)
		defer book.Close()
		sheet, err := book.Sheet(h.ctx, h.campaign.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, look := range due[:people/2] { // and then he was killed
			if is, err := h.desk.Count(h.ctx, sheet, look); err != nil || !is {
				t.Fatal(is, err)
			}
		}
		h.sweep(t, time.Second)
		if n := len(h.responses(t)); n != people/2 {
			t.Errorf("there are %d responses", n)
		}
		h.now.pass(time.Minute)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := h.judge.Sweep(h.ctx); err != nil && !store.MayPass(err) {
					t.Error(err)
				}
			})
			both.Go(func() {
				for _, look := range due {
					if _, err := h.desk.Count(h.ctx, sheet, look); err != nil {
						t.Error(err)
					}
				}
			})
		}
		both.Wait()
		h.provisional(t) // what was judged is written
		h.sweep(t, 2*time.Minute)
		if n, events, rows := len(h.responses(t)), h.position(t), h.provisional(t); n != people || events != people || len(rows) != 0 {
			t.Errorf("%d responses by %d events, and %v", n, events, rows)
		}
	})
}

// A person who answers before it is judged is who counts.
func TestAnswerBeforeJudgement(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.automatic(t)
		p := h.browse(h.path() + "/9?e=ada@x.example")
		h.now.pass(6 * time.Second)
		h.look(t, p, 5*time.Second)
		due, err := h.clicks.Due(h.ctx, h.now.time().Add(time.Hour))
		if err != nil || len(due) != 1 {
			t.Fatal(due, err)
		}
		h.send(p, "score", "2")
		book := survey.NewBook(db, h.now.time, nil)
		defer book.Close()
		sheet, err := book.Sheet(h.ctx, h.campaign.ID)
		if err != nil {
			t.Fatal(err)
		}
		if is, err := h.desk.Count(h.ctx, sheet, due[0]); err != nil || !is {
			t.Errorf("got %t, %v", is, err)
		}
		if rows := h.provisional(t); len(rows) != 0 {
			t.Errorf("there are still %v", rows)
		}
		h.sweep(t, 2*time.Hour)
		if all := h.responses(t); len(all) != 1 || all[0].Score != 2 || h.position(t) != 1 {
			t.Errorf("got %v", all)
		}
	})
}

// What speaks for a scanner keeps a look from counting, and so does a campaign that does not count looking; the click stays provisional.
func TestLooksThatDoNotCount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		confirmed := h.browse(h.path() + "/8?e=early@x.example")
		if strings.Contains(confirmed.text, "data-looks") {
			t.Error("a page looks that is not asked to")
		}
		h.now.pass(10 * time.Second)
		if sent := h.look(t, confirmed, 5*time.Second); sent.status != http.StatusUnprocessableEntity {
			t.Errorf("CONFIRMED: got %d", sent.status)
		}
		h.automatic(t)
		h.now.pass(5 * time.Second)
		program := h.get(h.path() + "/9?e=program@x.example")
		scanned := h.browse(h.path() + "/9?e=scanned@x.example")
		good := h.browse(h.path() + "/9?e=good@x.example")
		h.now.pass(10 * time.Second)
		for name, p := range map[string]page{
			"short": h.look(t, good, 4999*time.Millisecond), "longer than the page is old": h.look(t, good, time.Minute),
			"another number": h.look(t, good, 5*time.Second, "score", "3"), "no number": h.look(t, good, 5*time.Second, "score", "", "from", ""),
			"forged": h.look(t, good, 5*time.Second, "looked", "5000.00000000"), "another page": h.look(t, good, 5*time.Second, "page", nonceOf(program)),
			"as used": h.look(t, good, 5*time.Second, "looked", used(t, good)), "empty": h.look(t, good, 5*time.Second, "looked", ""),
		} {
			if p.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: got %d", name, p.status)
			}
		}
		// Nor is it a sign of a person.
		action, fields := good.form()
		sum := fnv.New32a()
		if _, err := io.WriteString(sum, fields.Get("page")+".looked.5000"); err != nil {
			t.Fatal(err)
		}
		fields.Set("sign", fmt.Sprintf("5000.%08x", sum.Sum32()))
		if sent := h.do(http.MethodPost, action, fields, "User-Agent", chrome); sent.status != http.StatusOK {
			t.Errorf("a look sent as a sign: got %d", sent.status)
		}
		for _, p := range []page{program, scanned} {
			if sent := h.look(t, p, 5*time.Second); sent.status != http.StatusNoContent {
				t.Errorf("got %d", sent.status)
			}
		}
		h.browse(h.path() + "/all?e=scanned@x.example") // after it was looked at, before it is judged
		if rows := h.provisional(t); len(rows) != 4 {
			t.Errorf("there are %v", rows)
		}
		h.sweep(t, 3*time.Minute)
		if all := h.responses(t); len(all) != 0 {
			t.Errorf("got %v", all)
		}
		for _, r := range h.provisional(t) {
			if r.Answer != nil || r.JudgedAt != nil || r.ContactID != nil {
				t.Errorf("it is still to be judged: %v", r)
			}
		}
		// The policy that holds is that of when it is judged.
		later := h.browse(h.path() + "/9?e=later@x.example")
		h.now.pass(6 * time.Second)
		h.look(t, later, 5*time.Second)
		if _, err := survey.Update(h.ctx, db, survey.UpdateInput{Campaign: h.campaign.NodeID(), ClickPolicy: new(survey.Confirmed)}); err != nil {
			t.Fatal(err)
		}
		h.sweep(t, 3*time.Minute)
		if all := h.responses(t); len(all) != 0 {
			t.Errorf("got %v", all)
		}
	})
}

// used is what the page's script writes where somebody used the page five seconds after it was there.
func used(t *testing.T, p page) string {
	t.Helper()
	sum := fnv.New32a()
	if _, err := io.WriteString(sum, nonceOf(p)+".5000"); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("5000.%08x", sum.Sum32())
}

// Of readers whom no link names each page is one's; what a person answers takes nothing from the others.
func TestLookingOfNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.automatic(t)
		var pages []page
		for range 3 {
			pages = append(pages, h.browse(h.path()+"/6?e="))
		}
		h.now.pass(6 * time.Second)
		for _, p := range pages {
			if sent := h.look(t, p, 5*time.Second); sent.status != http.StatusNoContent {
				t.Errorf("got %d", sent.status)
			}
		}
		action, fields := pages[0].form()
		fields.Set("score", "1")
		if sent := h.do(http.MethodPost, action, fields, "User-Agent", chrome); sent.status != http.StatusSeeOther {
			t.Errorf("got %d", sent.status)
		}
		if rows := h.provisional(t); len(rows) != 1 || rows[0].Opens != 3 {
			t.Errorf("got %v", rows)
		}
		h.sweep(t, 3*time.Minute)
		var scores []int
		for _, r := range h.responses(t) {
			scores = append(scores, r.Score)
		}
		if !slices.Equal(scores, []int{1, 6, 6}) || len(h.provisional(t)) != 0 {
			t.Errorf("got %v and %v", scores, h.provisional(t))
		}
		// A person who answers after it was counted changes what was counted.
		action, fields = pages[1].form()
		fields.Set("score", "10")
		h.do(http.MethodPost, action, fields, "User-Agent", chrome)
		if n := len(h.responses(t)); n != 3 {
			t.Errorf("there are %d responses", n)
		}
	})
}

// A look counts for a number whose link was opened, whatever the page's form is made to say.
func TestLookOfAnotherNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.automatic(t)
		for score, want := range map[string]int{"1": 0, "9": 1} {
			p := h.browse(h.path() + "/9?e=ada" + score + "@x.example")
			h.now.pass(6 * time.Second)
			if sent := h.look(t, p, 5*time.Second, "score", score, "from", score); sent.status != http.StatusNoContent {
				t.Fatalf("status %d", sent.status)
			}
			h.provisional(t) // all is written
			h.sweep(t, 3*time.Minute)
			if all := h.responses(t); len(all) != want {
				t.Errorf("after a look at %s there are %d responses", score, len(all))
			}
			for _, r := range h.responses(t) {
				if _, err := h.log.Delete(h.ctx, r.NodeID()); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
