// Package graph is the API: resolvers that authorize, call a room below and wrap what comes back, and the handler
// that serves them.
package graph

import (
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/live"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

// Resolver has what the resolvers call.
type Resolver struct {
	DB      *store.DB
	Log     *feedback.Log
	Finder  *selection.Finder
	States  *settings.States
	Builder *cube.Builder
	Insight *insight.Reader
	Live    *live.Hub
	Scores  *insight.Shared
}
