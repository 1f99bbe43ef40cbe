//go:build ignore

// Generates ent/ from ent/schema; runs in the root of the repository.
package main

import (
	"log"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
)

func main() {
	err := entc.Generate("./ent/schema", &gen.Config{
		Target:   "./ent",
		Package:  "github.com/zeroten/zeroten/ent",
		Features: []gen.Feature{gen.FeaturePrivacy, gen.FeatureEntQL, gen.FeatureModifier},
	}, entc.TemplateDir("./ent/template"))
	if err != nil {
		log.Fatal("generating ent: ", err)
	}
}
