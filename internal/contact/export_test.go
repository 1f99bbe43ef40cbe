package contact

// WithRisk is for tests.
var WithRisk = withRisk
