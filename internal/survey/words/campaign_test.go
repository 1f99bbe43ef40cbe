package words_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/survey/words"
)

// A campaign that was made without questions of its own has the built-in English ones, and only those are translated.
func TestEnglishIsWhatCampaignsAskByDefault(t *testing.T) {
	w := words.English
	if w.Question != campaign.DefaultQuestion {
		t.Errorf("the question is %q, not %q", w.Question, campaign.DefaultQuestion)
	}
	for _, followUp := range []string{w.FollowUpQuestions.Promoters, w.FollowUpQuestions.Passives, w.FollowUpQuestions.Detractors} {
		if followUp != campaign.DefaultFollowUpQuestion {
			t.Errorf("the follow-up question is %q, not %q", followUp, campaign.DefaultFollowUpQuestion)
		}
	}
}
