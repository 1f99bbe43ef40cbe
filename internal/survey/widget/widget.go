// Package widget is the question inside a site or an app: the script that a server gives out as /widget.js. It is written in
// TypeScript, in src, and bundled into one file that is committed, so that nobody needs more than Go to build the server.
package widget

import _ "embed"

//go:generate go run ./build

// Script is /widget.js as browsers get it: UTF-8, minified, below 12 KiB with gzip, and the same for everybody. It finds its
// server by the address that it was loaded from, and its campaign in the script element's data-campaign.
//
//go:embed widget.js
var Script []byte
