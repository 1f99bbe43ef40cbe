package words

// English is the original.
var English = Words{
	// These two are campaign.DefaultQuestion and campaign.DefaultFollowUpQuestion: a campaign that has them has no questions of
	// its own.
	Question:          "How likely is it that you would recommend us to a friend or colleague?",
	LowLabel:          "Not at all likely",
	HighLabel:         "Extremely likely",
	FollowUpQuestions: all("How can we improve your experience?"),
	ThankYous: Categories{
		"Thank you! We are glad that you would recommend us.",
		"Thank you! Your answer helps us to do better.",
		"Thank you for your honest answer. It helps us to see what we have to do better.",
	},
	MailSubject: "{brand|We} would like to hear your opinion",
	MailIntro: "Hello {name|there},\n\n{brand|We} would like to know how satisfied you are. It is a single question, and it takes " +
		"less than a minute: please choose a number from 0 to 10.",
	Page: Page{
		Title:      "Your opinion",
		Comment:    "Your comment",
		Optional:   "optional",
		Send:       "Send",
		Change:     "Change my answer",
		Changeable: "You can still change your answer.",
		Kept:       "What you wrote before is kept. What you write here replaces it.",
		YourScore:  "Your score: {score}",
		Confirm:    Notice{"One more step", "Please choose your number once more, so that we know that it is you and not a program."},
		NoNumber:   Notice{"No number chosen", "Please choose a number from 0 to 10."},
		TooLong:    Notice{"Your comment is too long", "Please shorten it to at most {limit} characters."},
		TryLater: Notice{
			"Please try again later",
			"Your answer could not be saved just now. What you have written is still in the form.",
		},
		TooMany:       Notice{"Too many attempts", "Please wait a moment and try again."},
		Unknown:       Notice{"This link does not work", "Please check that you have opened the whole link."},
		Expired:       Notice{"The time to answer is over", "This link has expired. Thank you for your interest."},
		Paused:        Notice{"This survey is not open", "No answers are being accepted at the moment."},
		Closed:        Notice{"This survey has ended", "Thank you for wanting to answer."},
		Preview:       Notice{"This is a preview", "Nothing that you choose or write here is recorded."},
		PrivacyPolicy: "Privacy policy",
		Website:       "To the website of {brand}",
		NextSteps:     "What you can do next",
		Experience:    "Take a look",
	},
	Unsubscribe: Unsubscribe{
		Ask:      Notice{"Unsubscribe from these e-mails", "We will then not ask for your opinion by mail any more."},
		Sure:     "Yes, I do not want these mails any more.",
		Button:   "Unsubscribe",
		Tick:     "Please tick the box, so that we know that it is you and not a program.",
		Done:     Notice{"You are unsubscribed", "We will not ask for your opinion by mail any more."},
		Undo:     "Undo",
		UndoSure: "Yes, I would like to get these mails again.",
		Undone:   Notice{"You are subscribed again", "We may ask for your opinion by mail again."},
		TryLater: "Nothing has been changed yet.",
	},
	Widget: Widget{
		Close:   "Close",
		Decline: "Not now",
		Send:    "Send",
		Thanks:  "Thank you!",
		Scale:   "From 0 to 10",
	},
	Mail: Mail{
		Reminder: "Reminder: {subject}",
		Reminded: "This is a reminder of our earlier e-mail. There will not be another.",
		OnPage:   "Answer on a web page",
		Why:      "{brand} sends you this e-mail to hear about your experience.",
	},
}
