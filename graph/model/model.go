// Package model holds the types of the API that no package of ours claims: payloads, for the most part.
package model

import (
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
)

// Node is anything with an id of its own.
type Node interface{ IsNode() }

// RecordResponsesInput is a batch of responses.
type RecordResponsesInput struct{ Responses []feedback.Recording }

// UpsertContactsInput is a batch of contacts.
type UpsertContactsInput struct{ Contacts []contact.Input }
