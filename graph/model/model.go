// Package model holds the types of the API that no package of ours claims: payloads, and what ties the pages of
// lists to their GraphQL names.
package model

import (
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/page"
)

// Node is anything with an id of its own.
type Node interface{ IsNode() }

// The pages of the API's lists.
type (
	TenantConnection   = page.Connection[*ent.Tenant]
	TenantEdge         = page.Edge[*ent.Tenant]
	ApiKeyConnection   = page.Connection[*ent.ApiKey]
	ApiKeyEdge         = page.Edge[*ent.ApiKey]
	CampaignConnection = page.Connection[*ent.Campaign]
	CampaignEdge       = page.Edge[*ent.Campaign]
	ContactConnection  = page.Connection[*ent.Contact]
	ContactEdge        = page.Edge[*ent.Contact]
	SegmentConnection  = page.Connection[*ent.Segment]
	SegmentEdge        = page.Edge[*ent.Segment]
	ResponseConnection = page.Connection[*ent.Response]
	ResponseEdge       = page.Edge[*ent.Response]
)
