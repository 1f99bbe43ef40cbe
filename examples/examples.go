// Package examples has a query for each job that a dashboard has. The playground opens a tab for each, and a test runs
// them all against the demo's data.
package examples

import "embed"

// Files are the examples, in the order of their names.
//
//go:embed *.graphql
var Files embed.FS

// Widget is widget.html: the page of a customer's account, with the widget in it. It takes the server's address and the id of a
// campaign from the attributes data-server and data-campaign of its <html>, both empty here, or else from `server` and `campaign` in
// the query of its own address. All its styles and its script are in it, one element each, so that a content security policy can
// name them by their hashes; it may need nothing besides but script-src and connect-src for the server.
//
//go:embed widget.html
var Widget []byte
