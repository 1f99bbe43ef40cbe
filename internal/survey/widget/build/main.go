// Command build bundles the widget's TypeScript into widget.js. It runs in the widget's folder. The same sources give the same
// bytes anywhere: the bundler is a package of Go, and its version stands in go.mod. It does not check types: clients/run does.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatalf("bundling the widget: %v", err)
	}
}

func run() error {
	script, err := bundle("src")
	if err != nil {
		return err
	}
	if err := os.WriteFile("widget.js", script, 0o644); err != nil { //nolint:gosec // everybody may read it
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// target is from when on browsers know the syntax. What the script needs of them besides, style sheets that are made by script,
// came later: older ones read it without an error, and it leaves them alone.
const target = api.ES2019

// bundle is the script made of the sources in a folder.
func bundle(sources string) ([]byte, error) {
	result := api.Build(api.BuildOptions{
		EntryPoints:       []string{sources + "/widget.ts"},
		Bundle:            true,
		Format:            api.FormatIIFE,
		Platform:          api.PlatformBrowser,
		Target:            target,
		Charset:           api.CharsetUTF8,
		MinifySyntax:      true,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		LegalComments:     api.LegalCommentsNone,
		Plugins:           []api.Plugin{{Name: "styles", Setup: styles}},
		// Nothing that lies about on this machine may change the outcome.
		TsconfigRaw: `{"compilerOptions":{"strict":true,"target":"es2022","useDefineForClassFields":true}}`,
	})
	if err := problems(result.Errors, result.Warnings); err != nil {
		return nil, err
	}
	return result.OutputFiles[0].Contents, nil
}

// styles makes a style sheet that is imported a text, minified.
func styles(build api.PluginBuild) {
	build.OnLoad(api.OnLoadOptions{Filter: `\.css$`}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		text, err := os.ReadFile(args.Path)
		if err != nil {
			return api.OnLoadResult{}, fmt.Errorf("reading a style sheet: %w", err)
		}
		result := api.Transform(string(text), api.TransformOptions{
			Loader: api.LoaderCSS, MinifySyntax: true, MinifyWhitespace: true, Charset: api.CharsetUTF8, Sourcefile: args.Path,
		})
		if err := problems(result.Errors, result.Warnings); err != nil {
			return api.OnLoadResult{}, err
		}
		minified := string(result.Code)
		return api.OnLoadResult{Contents: &minified, Loader: api.LoaderText}, nil
	})
}

// problems is what the bundler found: its warnings are mistakes, too.
func problems(kinds ...[]api.Message) error {
	var errs []error
	for _, messages := range kinds {
		for _, m := range messages {
			if m.Location == nil {
				errs = append(errs, errors.New(m.Text))
				continue
			}
			errs = append(errs, fmt.Errorf("%s:%d: %s", m.Location.File, m.Location.Line, m.Text))
		}
	}
	return errors.Join(errs...)
}
