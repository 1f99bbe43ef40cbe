package survey_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
)

func TestUpdateWidget(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		change := func(in survey.UpdateWidgetInput) {
			t.Helper()
			in.Campaign = w.id()
			if _, err := survey.UpdateWidget(w.ctx, db, in); err != nil {
				t.Fatal(err)
			}
		}
		want := survey.DefaultWidget()
		want.Campaign = w.campaign.ID
		if got := w.survey(t).Widget; fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("at first it is %+v", got)
		}
		change(survey.UpdateWidgetInput{IsEnabled: new(true), Pages: []string{"HTTPS://App.Example/*"}})
		w.update(t, survey.UpdateInput{LinkDays: new(7)})
		change(survey.UpdateWidgetInput{
			Layout: new(survey.Modal), SamplePercent: new(1), WaitDays: new(730), FirstAfterDays: new(365), FromVisit: new(100), AfterSeconds: new(0), OnCallOnly: new(true),
		})
		want = survey.Widget{
			Campaign: w.campaign.ID, IsEnabled: true, Layout: survey.Modal, Pages: []string{"https://app.example/*"}, OnCallOnly: true,
			SamplePercent: 1, WaitDays: 730, FirstAfterDays: 365, FromVisit: 100,
		}
		if got := w.survey(t); fmt.Sprintf("%+v", got.Widget) != fmt.Sprintf("%+v", want) || got.LinkDays != 7 {
			t.Errorf("got %+v", got)
		}
		change(survey.UpdateWidgetInput{Pages: []string{}})
		if got := w.survey(t).Widget; len(got.Pages) != 0 || !got.IsEnabled {
			t.Errorf("without pages it is %+v", got)
		}
	})
}

func TestUpdateWidgetRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for name, test := range map[string]struct {
			in   survey.UpdateWidgetInput
			want []string
		}{
			"no id":            {survey.UpdateWidgetInput{Campaign: "x"}, []string{"INVALID campaign"}},
			"no such campaign": {survey.UpdateWidgetInput{Campaign: id.Campaign.Format(uuid.New())}, []string{"NOT_FOUND campaign"}},
			"layout":           {survey.UpdateWidgetInput{Layout: new(survey.WidgetLayout("x"))}, []string{"INVALID layout"}},
			"pages":            {survey.UpdateWidgetInput{Pages: slices.Repeat([]string{"https://x.example/"}, 51)}, []string{"TOO_MANY pages"}},
			"page":             {survey.UpdateWidgetInput{Pages: []string{"https://x.example/", "x.example"}}, []string{"INVALID pages.1"}},
			"too small": {
				survey.UpdateWidgetInput{SamplePercent: new(0), WaitDays: new(0), FirstAfterDays: new(-1), FromVisit: new(0), AfterSeconds: new(-1)},
				[]string{"OUT_OF_RANGE samplePercent", "OUT_OF_RANGE waitDays", "OUT_OF_RANGE firstAfterDays", "OUT_OF_RANGE fromVisit", "OUT_OF_RANGE afterSeconds"},
			},
			"too large": {
				survey.UpdateWidgetInput{SamplePercent: new(101), WaitDays: new(731), FirstAfterDays: new(366), FromVisit: new(101), AfterSeconds: new(601)},
				[]string{"OUT_OF_RANGE samplePercent", "OUT_OF_RANGE waitDays", "OUT_OF_RANGE firstAfterDays", "OUT_OF_RANGE fromVisit", "OUT_OF_RANGE afterSeconds"},
			},
		} {
			if test.in.Campaign == "" {
				test.in.Campaign = w.id()
			}
			_, err := survey.UpdateWidget(w.ctx, db, test.in)
			if got := refusals(t, err); !slices.Equal(got, test.want) {
				t.Errorf("%s: got %s, want %s", name, strings.Join(got, ", "), strings.Join(test.want, ", "))
			}
		}
	})
}
