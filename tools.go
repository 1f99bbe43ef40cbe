//go:build tools

package main

import _ "github.com/99designs/gqlgen" // the version that generates is the version that runs
