package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/zeroten/zeroten/internal/store"
)

// What the program ends with. Scripts go by these, so they stay as they are.
const (
	// ExitFailed is for whatever has no code of its own.
	ExitFailed = 1
	// ExitUsage says that the command line, or a variable, is not what the command takes. Nothing was done.
	ExitUsage = 2
	// ExitRejected says that an import is done, and that rows were rejected.
	ExitRejected = 3
	// ExitInterrupted says that a signal ended the command before it was done.
	ExitInterrupted = 130
)

// exitError is an error that decides what the program ends with.
type exitError struct {
	error
	code int
}

// ExitCode is what the program ends with. An error of another package may have this method too, and decides likewise.
func (e *exitError) ExitCode() int { return e.code }

// Unwrap is the error itself.
func (e *exitError) Unwrap() error { return e.error }

// usage is an error of who called the program. Nothing was done.
func usage(format string, args ...any) error {
	return &exitError{fmt.Errorf(format, args...), ExitUsage}
}

// errInterrupted is for commands that have nothing to say about it.
var errInterrupted = &exitError{errors.New("interrupted"), ExitInterrupted}

// exitCode is what an error ends the program with. A context that is done is a signal, and what a driver says of that is of
// no use to anybody.
func exitCode(ctx context.Context, err error) (int, error) {
	if parse := (*kong.ParseError)(nil); errors.As(err, &parse) {
		return ExitUsage, err
	}
	if coder := interface{ ExitCode() int }(nil); errors.As(err, &coder) {
		return coder.ExitCode(), err
	}
	switch {
	case err == nil:
		return 0, nil
	case errors.Is(err, store.ErrAddress):
		return ExitUsage, fmt.Errorf("--database: %w", err)
	case errors.Is(err, store.ErrFewConns):
		return ExitUsage, fmt.Errorf("--database-connections: %w", err)
	case ctx.Err() != nil:
		return ExitInterrupted, errInterrupted
	}
	return ExitFailed, err
}

// Main runs the program with these arguments and returns what it ends with. A context that is done interrupts it.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cli := CLI{Globals: Globals{Out: stdout, Err: stderr}}
	parser, err := newParser(ctx, &cli)
	if err != nil {
		fmt.Fprintln(stderr, "zeroten:", err)
		return ExitFailed
	}
	args = asCommands(args)
	command, err := parser.Parse(args)
	if err != nil {
		err = helpful(parser, args, err)
	} else {
		err = command.Run()
	}
	code, err := exitCode(ctx, err)
	if err != nil {
		says := strings.TrimSpace(err.Error()) + fromVariables(command, err)
		// Of the command line the parser speaks, too, before anybody knows how to log.
		if cli.ended != nil && code != ExitUsage {
			cli.ended.Error("the server has ended", "error", says, "exit_code", code)
		} else {
			fmt.Fprintf(stderr, "zeroten: %s\n", says)
		}
	}
	return code
}

// asCommands writes what other programs call their version and their help as this one does: --version is version, and
// help import is import --help.
func asCommands(args []string) []string {
	switch {
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	}
	return args
}

func newParser(ctx context.Context, cli *CLI) (*kong.Kong, error) {
	return kong.New(cli,
		Defaults(),
		kong.Name("zeroten"),
		kong.Description("Zeroten records answers to the 0 to 10 question, and says what can be learned from them, by GraphQL."),
		kong.Writers(cli.Out, cli.Err),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&cli.Globals))
}

// helpful adds where to read on, and which command may have been meant: the parser takes what is no command for an
// argument of the default one.
func helpful(parser *kong.Kong, args []string, err error) error {
	var parse *kong.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	usual := parser.Model.DefaultCmd
	parser.Model.DefaultCmd = nil
	_, meant := parser.Parse(args)
	parser.Model.DefaultCmd = usual
	if meant != nil && strings.HasPrefix(meant.Error(), err.Error()) {
		err = meant
	}
	help := "zeroten --help"
	if parse.Context != nil {
		for _, step := range parse.Context.Path {
			if step.Command != nil && step.Command != usual {
				help = step.Command.FullPath() + " --help"
			}
		}
	}
	return &exitError{fmt.Errorf("%w (see `%s`)", err, help), ExitUsage}
}

// fromVariables names the variables that the flags are from which an error names, where it does not do so itself.
func fromVariables(command *kong.Context, err error) string {
	if parse := (*kong.ParseError)(nil); errors.As(err, &parse) {
		command = parse.Context
	}
	if command == nil {
		return ""
	}
	given := map[*kong.Flag]bool{}
	var flags []*kong.Flag
	for _, step := range command.Path {
		flags = append(flags, step.Flags...)
		if step.Flag != nil {
			given[step.Flag] = true
		}
	}
	var names []string
	text := err.Error()
	for _, flag := range flags {
		if !strings.Contains(text, "--"+flag.Name) || given[flag] {
			continue
		}
		for _, name := range flag.Envs {
			if _, set := os.LookupEnv(name); set && !strings.Contains(text, name) {
				names = append(names, name)
			}
		}
	}
	if names == nil {
		return ""
	}
	return " (from " + strings.Join(names, ", ") + ")"
}

// ExitCode is what Main ends with where a command returns this error.
func ExitCode(err error) int {
	code, _ := exitCode(context.Background(), err)
	return code
}
