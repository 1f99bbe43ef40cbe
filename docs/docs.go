// Package docs has what the program itself shows of the documents beside it.
package docs

import _ "embed"

// Schema is the API's SDL as it is served, in one file.
//
//go:embed schema.graphql
var Schema string
