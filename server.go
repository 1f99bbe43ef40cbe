// Command zeroten is a Net Promoter Score platform whose product is its GraphQL API.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/zeroten/zeroten/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once
	os.Exit(app.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
