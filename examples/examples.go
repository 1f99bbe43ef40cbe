// Package examples has a query for each job that a dashboard has. The playground opens a tab for each, and a test runs
// them all against the demo's data.
package examples

import "embed"

// Files are the examples, in the order of their names.
//
//go:embed *.graphql
var Files embed.FS
