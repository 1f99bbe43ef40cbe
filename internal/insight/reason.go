package insight

// InsightReason says why there is no answer; nil where there is one.
type InsightReason string //nolint:revive // as in the schema

// The reasons of the schema.
const (
	NoResponses        InsightReason = "NO_RESPONSES"
	TooFewResponses    InsightReason = "TOO_FEW_RESPONSES"
	TooShort           InsightReason = "TOO_SHORT"
	OneGroup           InsightReason = "ONE_GROUP"
	TooFewGroups       InsightReason = "TOO_FEW_GROUPS"
	NoVariation        InsightReason = "NO_VARIATION"
	Confounded         InsightReason = "CONFOUNDED"
	NoBetterThanChance InsightReason = "NO_BETTER_THAN_CHANCE"
)

// reason is that of a package of numerics, whose reasons are named as the schema's are.
func reason[R ~string](r R) *InsightReason {
	if r == "" {
		return nil
	}
	return new(InsightReason(r))
}
