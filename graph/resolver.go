// Package graph is the API: resolvers that authorize, call a room below and wrap what comes back, and the handler
// that serves them.
package graph

import (
	"time"

	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/live"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/risk"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
)

// Resolver has what the resolvers call.
type Resolver struct {
	DB      *store.DB
	Log     *feedback.Log
	Finder  *selection.Finder
	States  *settings.States
	Builder *cube.Builder
	Insight *insight.Reader
	Risks   *risk.Models
	Live    *live.Hub
	// Outreach decides whom campaigns ask, and Mailer makes and sends the mails.
	Outreach *outreach.Desk
	Mailer   *outreach.Mailer
	Scores   *insight.Shared
	// Site is where people find the pages, and Now the clock.
	Site survey.Site
	// Studio makes the images of brands.
	Studio *survey.Studio
	Now    func() time.Time
}
