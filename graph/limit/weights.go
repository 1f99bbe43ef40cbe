package limit

// weight is what a field costs.
type weight struct {
	// own is for the field itself, whatever it finds.
	own int
	// size says how many items there are below the field, or below those of its fields that are items.
	size size
	// argument is what size counts by: the name of an argument or, for bulk, of the list in the argument `input`.
	argument string
	// count is how many items there are where no argument says so.
	count int
	// root says that it is a field of Query, Mutation or Subscription.
	root bool
}

// size is a way of knowing how many items there will be.
type size int

const (
	// single: what is below counts once.
	single size = iota
	// paged is a connection: `first` or `last` items, each of which costs 1 and whatever is below `edges` and `nodes`.
	paged
	// list is a list of `count` items, or as many as the list `argument` has, each of which costs 1 and what is below.
	list
	// groups is a list of at most `argument` items and one for the rest, read together: each costs what is below it alone.
	groups
	// bulk is a mutation of many items: ten cost 1, and each costs what is below the payload's items.
	bulk
	// items are those of the page or of the bulk above.
	items
	// points are those of a trend, `count` or about as many as its `argument` gives in a usual time: each costs what is below
	// it, and pointsPerCost of them 1.
	points
	// ruled is a list of rules within a rule, which is read as a whole, and shows its size only then.
	ruled
)

// pointsOf is how many points a trend has, by its interval.
var pointsOf = map[string]int{"DAY": 366, "WEEK": 105, "MONTH": 36, "QUARTER": 16, "YEAR": 10}

// pointsPerCost is how many points of a trend cost 1.
const pointsPerCost = 25

// How many items are given; asking for more is refused by whoever is asked.
const (
	pageDefault = 50
	pageMax     = 100
	groupsMax   = 200
)

// weights are what fields cost, by type and field; `*` is any type. Fields of Query, Mutation and Subscription that are
// not here cost 1, connections are pages, and all others cost nothing. A list of objects, and whatever else takes a number of
// items, must be here: a test goes through the schema.
var weights = map[string]weight{
	"*.edges":      {size: items},
	"*.nodes":      {size: items},
	"*.totalCount": {own: 2},

	"ResponseConnection.eventCursor": {own: 2}, // the page is read of one moment

	"Query.nodes":  {size: list, argument: "ids"},
	"Query.traits": {size: list, count: 16},
	"Trait.values": {own: 10},

	"Contact.prediction": {own: 1},

	"Response.campaign": {own: 1},
	"Response.contact":  {own: 1},

	"ProvisionalAnswer.campaign":   {own: 1},
	"ProvisionalAnswer.contact":    {own: 1},
	"ProvisionalAnswer.invitation": {own: 1},

	"Viewer.tenant": {own: 1},

	"Action.segment":     {own: 1},
	"Action.campaigns":   {size: list, count: 5}, // mostly all, or a few
	"TrendPoint.actions": {size: list},           // mostly none: those that there are, are paid for when they are found
	"Query.benchmarks":   {size: list, count: 25},

	"Response.invitation":         {own: 1},
	"Invitation.campaign":         {own: 1},
	"Invitation.contact":          {own: 1},
	"Invitation.response":         {own: 1},
	"Query.reach":                 {own: 10}, // besides, invitations are paid for as they are counted
	"Campaign.reach":              {own: 10},
	"Reach.skipped":               {size: list, count: 10},
	"Mutation.createContactToken": {own: 2},

	"Tenant.outreach":             {own: 2},
	"Campaign.schedule":           {own: 1},
	"Campaign.previewInvitations": {own: 100}, // besides, contacts are paid for as they are looked at
	"Campaign.invitationMail":     {own: 5},
	"InvitationPreview.skipped":   {size: list, count: 10},
	"InvitationPreview.days":      {size: groups, count: 800},
	"InvitationPreview.people":    {size: list, argument: "limit", count: 20},
	"PlannedInvitation.contact":   {own: 1},
	"Schedule.segment":            {own: 1},
	"Schedule.nextDueAt":          {own: 1},
	"Contact.suppression":         {own: 1},
	"Suppression.invitation":      {own: 1},
	"Mutation.setSchedule":        {own: 5},
	"Mutation.sendTestMail":       {own: 20},
	"Mutation.updateOutreach":     {own: 20},

	"Campaign.survey":       {own: 1},
	"Campaign.wordings":     {own: 1, size: list, count: 100},
	"Campaign.texts":        {own: 1},
	"Campaign.emailSnippet": {own: 5},
	"Campaign.link":         {own: 5},
	"Campaign.widget":       {own: 1},
	"Survey.nextSteps":      {size: list, count: 20},
	"Survey.variants":       {size: list, count: 20},
	"Tenant.brand":          {own: 1},

	"Campaign.feedback":      {own: 1},
	"Segment.feedback":       {own: 1},
	"FeedbackGroup.feedback": {own: 1},
	"Feedback.score":         {own: 1},
	"Feedback.trend":         {own: 5, size: points, argument: "interval"}, // its points are read together
	"Feedback.hours":         {own: 5, size: points, count: 14 * 24},       // besides, responses are paid for as they are read
	"Score.interval":         {own: 1},
	"Feedback.breakdown":     {own: 5, size: groups, argument: "limit", count: 50},
	"Feedback.compareTo":     {own: 5},

	// What goes by reckoning is paid for besides, before it is done: see insight.
	"Feedback.drivers":            {own: 5},
	"Drivers.traits":              {size: groups, count: 19},
	"Driver.values":               {size: groups, count: 8},
	"Feedback.hotspots":           {own: 5, size: groups, argument: "limit", count: 10},
	"Hotspots.groups":             {size: items},
	"Feedback.explainChange":      {own: 5, size: groups, argument: "limit", count: 50},
	"ChangeExplanation.groups":    {size: items},
	"Feedback.changePoints":       {own: 5},
	"ChangePoints.levels":         {size: groups, count: 10},
	"ChangePoints.points":         {size: groups, count: 10},
	"Feedback.curve":              {own: 5},
	"Curve.points":                {size: groups, count: 10},
	"Feedback.experiment":         {own: 5},
	"Experiment.variants":         {size: groups, count: 10},
	"Experiment.comparisons":      {size: groups, count: 45},
	"Experiment.allocation":       {own: 5},
	"Experiment.asked":            {own: 10}, // as Query.reach
	"Feedback.samplePlan":         {own: 5},
	"SamplePlan.invitations":      {own: 10},
	"SamplePlan.days":             {own: 5},
	"Feedback.prediction":         {own: 5},
	"PredictionModel.calibration": {size: groups, count: 10},
	"PredictionModel.groups":      {size: groups, argument: "first", count: 20},
	"Feedback.benchmarks":         {own: 2, size: groups, count: 10},
	"Action.effect":               {own: 10},
	"ActionEffect.caveats":        {own: 10},

	"Mutation.inviteContacts":              {own: 1, size: bulk, argument: "invitees"},
	"InviteContactsPayload.invitations":    {size: items},
	"Mutation.cancelInvitations":           {own: 1, size: bulk, argument: "ids"},
	"CancelInvitationsPayload.invitations": {size: items},
	"Mutation.recordEvents":                {own: 1, size: bulk, argument: "events"},
	"Mutation.suppressAddresses":           {own: 1, size: bulk, argument: "emails"},

	"Mutation.recordResponses":         {own: 1, size: bulk, argument: "responses"},
	"Mutation.upsertContacts":          {own: 1, size: bulk, argument: "contacts"},
	"RecordResponsesPayload.responses": {size: items},
	"UpsertContactsPayload.contacts":   {size: items},
	"Subscription.feedbackReceived":    {own: 1}, // `limit` ends it, and multiplies nothing: events cost nothing
	"*.userErrors":                     {},
	"SegmentRule.all":                  {size: ruled},
	"SegmentRule.any":                  {size: ruled},
	"Query.__schema":                   {own: introspectionBase},
	"Query.__type":                     {own: introspectionBase},
}

// Introspection costs its base, and 1 for so many values in its answer.
const (
	introspectionBase   = 10
	introspectionValues = 250
)
