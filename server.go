// Command zeroten is a Net Promoter Score platform whose product is its GraphQL API.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/zeroten/zeroten/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "zeroten:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var cli app.CLI
	cli.Out, cli.Err = os.Stdout, os.Stderr
	parser, err := kong.New(&cli,
		app.Defaults(),
		kong.Name("zeroten"),
		kong.Description("Zeroten records answers to the 0 to 10 question, and says what can be learned from them, by GraphQL."),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&cli.Globals))
	if err != nil {
		return err
	}
	command, err := parser.Parse(os.Args[1:])
	if err != nil {
		return err
	}
	return command.Run()
}
